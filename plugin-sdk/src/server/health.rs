//! Whether the server answers, for whoever asks by gRPC's own health check.

use coprocess::dispatcher_server::SERVICE_NAME;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};
pub(super) use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as HealthService;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// Tells the status of the server and of its Dispatcher, which is the same.
pub(super) struct Health(pub(super) watch::Receiver<ServingStatus>);

#[tonic::async_trait]
impl HealthService for Health {
    async fn check(&self, request: Request<HealthCheckRequest>) -> Result<Response<HealthCheckResponse>, Status> {
        known(request.get_ref())?;
        Ok(Response::new(response(*self.0.borrow())))
    }

    type WatchStream = tonic::codegen::BoxStream<HealthCheckResponse>;

    /// Ends when the server stops, so that nobody's watch holds the stop up.
    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        known(request.get_ref())?;
        let statuses = WatchStream::new(self.0.clone());
        Ok(Response::new(Box::pin(statuses.map(|status| Ok(response(status))))))
    }
}

fn known(request: &HealthCheckRequest) -> Result<(), Status> {
    match request.service.as_str() {
        "" | SERVICE_NAME => Ok(()),
        _ => Err(Status::not_found("no such service")),
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
