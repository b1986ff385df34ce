// A Pre hook in Node that edits headers and the query, without an SDK.
//
//     npm ci
//     node headers.js 127.0.0.1:5555        # or unix:/tmp/plugin.sock
//
// In the API definition:
//
//     "custom_middleware": {"driver": "grpc", "pre": [{"name": "Headers"}]}
//
// Change the object that was received and return it: one built anew would lose the body.
"use strict";

const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const proto = path.join(__dirname, "../../proto");
// Names as in the .proto files, maps and lists never missing, and no number that loses digits.
const reading = { keepCase: true, objects: true, arrays: true, longs: String, includeDirs: [proto] };
const contract = protoLoader.loadSync("coprocess_object.proto", reading);
const { service } = grpc.loadPackageDefinition(contract).coprocess.Dispatcher;

function headers(request) {
  request.set_headers["X-Client"] = request.headers["User-Agent"] ?? "unknown";
  request.delete_headers.push("Cookie");
  request.add_params["source"] = "gateway";
  request.delete_params.push("debug");
}

const hooks = new Map([["Headers", headers]]);

const methods = {
  Dispatch({ request: object }, reply) {
    hooks.get(object.hook_name)?.(object.request);
    reply(null, object);
  },
  DispatchEvent(_event, reply) {
    reply(null, {});
  },
};

const address = process.argv[2] ?? "127.0.0.1:5555";
const size = 64 << 20;
const limits = { "grpc.max_receive_message_length": size, "grpc.max_send_message_length": size };
const server = new grpc.Server(limits);
server.addService(service, methods);
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  const bound = address.startsWith("unix:") ? address : `tcp://${address.replace(/:\d+$/, "")}:${port}`;
  console.log(`listening on ${bound}`);
});

function stop() {
  server.tryShutdown(() => process.exit());
  setTimeout(() => server.forceShutdown(), 30_000).unref();
}
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
