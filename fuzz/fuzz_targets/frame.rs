//! Any bytes, in any cut, as both ends: no panic, and the cut changes nothing.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use moothall::protocol::frame::{Decoder, Inbound, Limits, Violation};

const LIMITS: Limits = Limits { message_bytes_max: 4096, fragments_max: 16 };

fn read<'a>(mut decoder: Decoder, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Inbound>, Option<Violation>) {
    let mut messages = Vec::new();
    for chunk in chunks {
        decoder.feed(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }
    (messages, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&chunk_bytes, stream)) = data.split_first() else { return };
    let chunk_bytes = usize::from(chunk_bytes).max(1);
    for new in [Decoder::new as fn(Limits) -> Decoder, Decoder::for_client] {
        let whole = read(new(LIMITS), [stream].into_iter());
        assert_eq!(read(new(LIMITS), stream.chunks(chunk_bytes)), whole);
        for message in whole.0 {
            let bytes = match message {
                Inbound::Text(text) => text.into_bytes(),
                Inbound::Binary(bytes) | Inbound::Ping(bytes) | Inbound::Pong(bytes) => bytes,
                Inbound::Close(_) => continue,
            };
            assert!(bytes.len() <= LIMITS.message_bytes_max);
        }
    }
});
