//! Hook calls as sentences, for somebody who watches.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Prints a line per hook call; everything else is left to other layers.
pub(super) struct Watch;

/// The fields of a hook call's event.
#[derive(Default)]
struct Call {
    hook: String,
    r#type: String,
    server: String,
    changed: String,
    spared: String,
    ms: f64,
}

impl Visit for Call {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == "ms" {
            self.ms = value;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "hook" => value.clone_into(&mut self.hook),
            "server" => value.clone_into(&mut self.server),
            "changed" => value.clone_into(&mut self.changed),
            "spared" => value.clone_into(&mut self.spared),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "type" {
            self.r#type = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Watch {
    #[allow(clippy::print_stdout)]
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut call = Call::default();
        event.record(&mut call);
        let Call { hook, r#type, server, changed, spared, ms } = call;
        if spared.is_empty() {
            println!("{type:<14} {hook:<15} on {server}: {ms:6.2} ms, {changed}");
        } else {
            println!("{type:<14} {hook:<15} not called: the session cache answers ({spared})");
        }
    }
}
