"""A Pre hook in Python that edits headers and the query, without an SDK.

    pip install -r requirements.txt
    ./generate.sh
    python3 headers.py 127.0.0.1:5555        # or unix:/tmp/plugin.sock

In the API definition:

    "custom_middleware": {"driver": "grpc", "pre": [{"name": "Headers"}]}

Change the object that was received and return it: one built anew would lose the body.
"""

import pathlib
import signal
import sys
from concurrent import futures

sys.path.insert(0, str(pathlib.Path(__file__).parent / "generated"))

import grpc
import coprocess_object_pb2 as contract
import coprocess_object_pb2_grpc as services


def headers(request):
    request.set_headers["X-Client"] = request.headers.get("User-Agent", "unknown")
    request.delete_headers.append("Cookie")
    request.add_params["source"] = "gateway"
    request.delete_params.append("debug")


HOOKS = {"Headers": headers}


class Dispatcher(services.DispatcherServicer):
    def Dispatch(self, call, context):
        hook = HOOKS.get(call.hook_name)
        if hook:
            hook(call.request)
        return call

    def DispatchEvent(self, event, context):
        return contract.EventReply()


def serve(address):
    size = 64 << 20
    limits = [("grpc.max_receive_message_length", size), ("grpc.max_send_message_length", size)]
    server = grpc.server(futures.ThreadPoolExecutor(), options=limits)
    services.add_DispatcherServicer_to_server(Dispatcher(), server)
    port = server.add_insecure_port(address)
    server.start()
    if not address.startswith("unix:"):
        address = f"tcp://{address.rsplit(':', 1)[0]}:{port}"
    print(f"listening on {address}", flush=True)
    return server


if __name__ == "__main__":
    server = serve(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:5555")
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: server.stop(grace=30))
    server.wait_for_termination()
