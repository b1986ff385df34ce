//! About how much memory a session takes, so that what remembers sessions can be bounded.

use std::io::{self, Write};

use super::{AccessDefinition, Session, State};

/// What a session's members take for each byte of its JSON: text has its length beside it and room to grow.
const PER_BYTE: usize = 2;

impl Session {
    /// About how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        size_of::<Self>() + heap(&self.state) + self.key.id.len() + self.key.name.len()
    }
}

/// What lies outside of the session itself.
fn heap(state: &State) -> usize {
    let mut json = Count(0);
    // Nothing that counts can fail; what cannot be written is not stored either.
    let _ = serde_json::to_writer(&mut json, state);
    PER_BYTE * json.0 + state.access_rights.len() * size_of::<AccessDefinition>()
}

/// Counts what is written.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Key;

    #[test]
    fn a_session_is_as_large_as_what_it_holds() {
        let size = |tags: usize, rights: usize| {
            let mut state = State { tags: vec!["t".repeat(100); tags], ..State::default() };
            state.access_rights.extend((0..rights).map(|at| (at.to_string(), Box::default())));
            Session::new(state, Key::default()).size()
        };
        assert!(size(10, 0) > size(0, 0) + 1000 && size(10, 0) < size(0, 0) + 3000);
        assert!(size(0, 10) > size(0, 0) + 10 * size_of::<AccessDefinition>());
    }
}
