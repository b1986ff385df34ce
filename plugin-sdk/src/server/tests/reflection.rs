//! Reflection, as `grpcurl` and its like ask it.

use tonic_reflection::pb::{v1, v1alpha};

use super::*;

const SERVICES: [&str; 3] = ["coprocess.Dispatcher", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];

#[tokio::test]
async fn a_server_lists_its_services_in_version_1() {
    use v1::server_reflection_client::ServerReflectionClient;
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;

    let server = start("127.0.0.1:0").await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    let list = MessageRequest::ListServices(String::new());
    let request = v1::ServerReflectionRequest { message_request: Some(list), ..Default::default() };

    let mut replies = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();

    let reply = replies.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = reply else { panic!("{reply:?}") };
    let mut names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, SERVICES);
}

#[tokio::test]
async fn a_server_describes_the_contract_in_version_1alpha() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;

    let server = start("127.0.0.1:0").await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    for (symbol, file) in [
        ("coprocess.Dispatcher", "coprocess_object.proto"),
        ("coprocess.SessionState", "coprocess_session_state.proto"),
    ] {
        let find = MessageRequest::FileContainingSymbol(symbol.to_owned());
        let request = v1alpha::ServerReflectionRequest { message_request: Some(find), ..Default::default() };

        let mut replies = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();

        let reply = replies.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::FileDescriptorResponse(found)) = reply else { panic!("{reply:?}") };
        let text = String::from_utf8_lossy(&found.file_descriptor_proto[0]);
        assert!(text.contains(file), "{symbol} is not in {file}");
    }
}
