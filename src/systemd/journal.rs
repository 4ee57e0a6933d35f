//! Writes events to the journal with structured fields (systemd.journal-fields(7)):
//! `upload_id` of an event or of an enclosing span becomes `UPLOAD_ID=`.

use std::fmt::{Debug, Write};

use systemd::journal;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Sends events to the journal.
#[derive(Debug)]
pub struct Journal {
    identifier: String,
}

impl Journal {
    /// `None` if standard error is not connected to the journal (`JOURNAL_STREAM`
    /// is not set).
    pub fn connected(program: &str) -> Option<Journal> {
        std::env::var_os("JOURNAL_STREAM")?;
        Some(Journal {
            identifier: format!("SYSLOG_IDENTIFIER={program}"),
        })
    }
}

/// The fields as `NAME=value`, and the message.
#[derive(Debug, Default, Clone)]
struct Fields {
    entries: Vec<String>,
    message: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => {
                self.entries
                    .push(format!("{}={value:?}", name.to_uppercase()));
                Ok(())
            }
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.entries.extend_from_slice(&outer.entries);
            }
        }
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let message = format!("MESSAGE={}", fields.message);
        let priority = format!("PRIORITY={priority}");
        let mut entry = vec![message.as_str(), &priority, &self.identifier];
        entry.extend(fields.entries.iter().map(String::as_str));
        // If the journal cannot be reached, the error cannot be reported either.
        let _ = journal::send(&entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn fields_of_events_and_spans_are_collected() {
        #[derive(Default)]
        struct Collect(std::sync::Arc<std::sync::Mutex<Fields>>);
        impl<S: Subscriber> Layer<S> for Collect {
            fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
                event.record(&mut *self.0.lock().unwrap());
            }
        }
        let collect = Collect::default();
        let fields = std::sync::Arc::clone(&collect.0);
        let subscriber = tracing_subscriber::registry().with(collect);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(upload_id = %7, bytes = 5, name = "a b", "received {}", 1);
        });
        let fields = fields.lock().unwrap();
        assert_eq!(fields.message, "received 1");
        assert_eq!(fields.entries, ["UPLOAD_ID=7", "BYTES=5", "NAME=a b"]);
    }
}
