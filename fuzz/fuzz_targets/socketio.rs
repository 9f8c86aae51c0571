//! Any messages: no panic, and a packet that was read is written and read again as it was. A line feed parts messages; one that begins with `b` is
//! binary.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use moothall::protocol::socketio::{ATTACHMENTS_MAX, Encoded, Event, Malformed, Packet, Reader, ack, event, split_recovery};

const PACKET_BYTES_MAX: usize = 4096;

fn read_again(written: Encoded) -> Result<Option<Packet>, Malformed> {
    // What is written anew may have lost spaces, and gained escapes in a name.
    let mut reader = Reader::new(8 * PACKET_BYTES_MAX);
    let mut last = reader.text(&written.text)?;
    for attachment in written.attachments {
        assert!(last.is_none());
        last = reader.binary(attachment)?;
    }
    Ok(last)
}

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(PACKET_BYTES_MAX);
    for message in data.split(|&byte| byte == b'\n') {
        let outcome = match (message.strip_prefix(b"b"), std::str::from_utf8(message)) {
            (Some(bytes), _) => reader.binary(Bytes::copy_from_slice(bytes)),
            (None, Ok(text)) => reader.text(text),
            (None, Err(_)) => return,
        };
        let Ok(packet) = outcome else {
            assert!(!reader.is_waiting());
            return;
        };
        match packet {
            Some(Packet::Event(was)) => {
                assert!(was.attachments.len() <= ATTACHMENTS_MAX);
                let written = event(&was.nsp, was.ack, &was.name, &was.args, was.attachments.clone());
                let Ok(Some(Packet::Event(Event { nsp, ack, name, args, attachments }))) = read_again(written) else { panic!("{was:?}") };
                assert_eq!((nsp, ack, name, attachments), (was.nsp, was.ack, was.name, was.attachments));
                assert!(args.iter().map(|argument| argument.get()).eq(was.args.iter().map(|argument| argument.get())));
            }
            Some(Packet::Ack(was)) => {
                let written = ack(&was.nsp, was.id, &was.args, was.attachments.clone());
                let Ok(Some(Packet::Ack(again))) = read_again(written) else { panic!("{was:?}") };
                assert_eq!((again.nsp, again.id, again.attachments), (was.nsp, was.id, was.attachments));
            }
            Some(Packet::Connect { auth: Some(auth), .. }) => drop(split_recovery(&auth)),
            _ => {}
        }
    }
});
