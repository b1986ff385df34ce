//! One request in flight: head, body, session and what is noted on its way.

mod body;
mod budget;
mod client;
mod copying;
mod event_stream;
mod flow;
pub mod form;
mod gunzip;
mod head;
mod hops;
mod limited;
mod notes;
mod passage;
pub mod query;
pub mod standing;
mod streaming;
mod target;
mod upgrade;
mod upload;
mod variables;
mod wire;

use std::sync::Arc;

pub use body::{Body, ReadError};
pub use budget::{Budget, HELD};
pub use client::{Client, OF_THE_CLIENT};
pub use copying::Copying;
pub use event_stream::{EventStream, tell_of_break};
pub use flow::{Flow, Strand};
pub use gunzip::Gunzip;
pub use head::{Head, HeadError, Unsendable, canonical};
pub use hops::{is_hop_by_hop, strip_hop_by_hop};
pub use limited::Limited;
pub use notes::{HookNote, Notes, Outcome, Recall};
pub use passage::{Passage, Pending};
pub use standing::{RateFigures, Standing};
pub use streaming::Streaming;
pub(crate) use target::unescape;
pub use target::{Target, TargetError};
pub use upgrade::Upgrade;
pub use upload::Upload;
pub use variables::{Context, Memory, Scope, Secrets, Template, UnsupportedVariable};
pub use wire::wire;

use crate::session::Session;

/// A request on its way through the chain.
pub struct Exchange {
    /// Everything before the body.
    pub head: Head,
    /// The body, read or still on the wire.
    pub body: Body,
    /// Whether the client wishes to go on in another protocol.
    pub upgrade: Option<Box<Upgrade>>,
    /// Who the caller is, once an auth step has said so.
    pub session: Option<Arc<Session>>,
    /// What its limits said.
    pub standing: Standing,
    /// Where it has been, and what that decides.
    pub passage: Passage,
    /// Where it comes from.
    pub client: Client,
    /// The request as variables tell of it, once it has been remembered.
    pub context: Option<Box<Context>>,
    /// What the access log will tell.
    pub notes: Notes,
}

impl Exchange {
    /// A copy for a call beside the request, which goes on; reads the body.
    pub async fn apart(&mut self) -> Result<Self, ReadError> {
        let body = Body::whole(self.body.read(None).await?.clone());
        let (head, client) = (self.head.clone(), self.client.clone());
        let (upgrade, session, standing, context) = (None, None, Standing::default(), None);
        let passage = self.passage.clone();
        Ok(Self { head, body, upgrade, session, standing, passage, client, context, notes: Notes::start() })
    }
}

impl Exchange {
    /// Puts what is pending in the place of what the client sent.
    pub fn settle(&mut self) {
        let Some(pending) = self.passage.pending.take() else { return };
        if let Some(target) = pending.target {
            self.passage.rewritten = target.origin().is_some_and(|(scheme, _)| scheme != "tyk");
            self.head.target = target;
        }
        if let Some(method) = pending.method {
            self.head.set_method(method);
        }
    }
}

/// What the client gets.
pub type Reply = http::Response<Body>;
