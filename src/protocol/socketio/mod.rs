//! Socket.IO packets (protocol revision 5), as they stand in the messages of Engine.IO: a text, and the binary messages that follow it.
//!
//! ```text
//! <type>[<attachments>-][<namespace>,][<ack id>][<JSON>]
//! ```
//!
//! Payloads are kept as the client wrote them (`RawValue`): what is sent on has the order of keys and the text of numbers that came. What a
//! [`Packet`] holds can be relayed, since a client of the stock library drops its connection when it reads something malformed:
//!
//! 1. Whatever the stock library's parser refuses is refused here. More is: an event without a name, names that are numbers, spaces where digits
//!    belong, an acknowledgement of nothing, placeholders whose `num` is a fraction, numbers that JavaScript cannot hold.
//! 2. A packet is yielded when all of its attachments have come. Nothing may come between them.
//! 3. Reading is linear in the bytes that came. Depth, arguments, attachments and bytes have bounds, and a text packet may be as large as a message.
//!
//! Which namespaces there are, who may connect and what an event means is not known here. Texts are without the `4` that makes them
//! messages of Engine.IO.

mod decode;
mod encode;
mod payload;
mod recovery;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;

pub use decode::Reader;
pub use encode::{Encoded, SharedEvent, ack, connect_error, connected, disconnect, event};
pub use recovery::{Recovery, split_recovery};

/// Binary messages that one packet may have; more is malformed. The stock parser has the same bound.
pub const ATTACHMENTS_MAX: usize = 10;
/// Arguments of an event or an acknowledgement, the event's name among them; more is malformed. Each costs more memory here than it has bytes.
pub const ARGUMENTS_MAX: usize = 128;
/// Arrays and objects within each other, that of the arguments among them; more is malformed. All of it can then be read by a parser that recurses.
pub const DEPTH_MAX: usize = 127;
/// Bytes of a namespace's name; more is malformed.
pub const NAMESPACE_BYTES_MAX: usize = 256;
/// The largest id of an acknowledgement: the largest whole number that a client in JavaScript can count to.
pub const ACK_ID_MAX: u64 = (1 << 53) - 1;

/// What a client said.
#[derive(Clone, Debug)]
pub enum Packet {
    /// `auth` is an object when it is there.
    Connect {
        nsp: Namespace,
        auth: Option<Box<RawValue>>,
    },
    Disconnect {
        nsp: Namespace,
    },
    Event(Event),
    Ack(Ack),
}

/// `emit(name, …args, callback?)`.
#[derive(Clone, Debug)]
pub struct Event {
    pub nsp: Namespace,
    /// Awaits an acknowledgement with this id.
    pub ack: Option<u64>,
    pub name: String,
    /// Those that hold placeholders go with the attachments, all of them and in the same order.
    pub args: Vec<Box<RawValue>>,
    pub attachments: Vec<Bytes>,
}

/// What the callback of an event that the server sent was called with.
#[derive(Clone, Debug)]
pub struct Ack {
    pub nsp: Namespace,
    pub id: u64,
    pub args: Vec<Box<RawValue>>,
    pub attachments: Vec<Bytes>,
}

impl Packet {
    pub fn nsp(&self) -> &Namespace {
        match self {
            Packet::Connect { nsp, .. } | Packet::Disconnect { nsp } => nsp,
            Packet::Event(event) => &event.nsp,
            Packet::Ack(ack) => &ack.nsp,
        }
    }
}

/// The name of a namespace: begins with `/`, has no comma and no control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(ByteString);

impl Namespace {
    /// `/`, which is left out on the wire.
    pub const MAIN: Self = Self(ByteString::from_static("/"));

    /// `None` for a text that is no name of a namespace. Control characters are none of a name: one of them parts messages in a poll.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "/" {
            return Some(Self::MAIN);
        }
        let fits = text.starts_with('/') && text.len() <= NAMESPACE_BYTES_MAX;
        (fits && !text.contains(|c: char| c == ',' || c.is_control())).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_main(&self) -> bool {
        self.0 == "/"
    }
}

/// Why what a client sent is no packet. The connection ends with it: what follows has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    UnknownType,
    /// A packet that only servers send.
    FromAClient,
    AttachmentCount,
    Namespace,
    AckId,
    Payload,
    EventName,
    Placeholder,
    TooDeep,
    TooBig,
    /// A text came where an attachment is due.
    TextBetweenAttachments,
    /// A binary message came that no packet announced.
    AttachmentOfNothing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::UnknownType => "unknown packet type",
            Malformed::FromAClient => "a packet that only servers send",
            Malformed::AttachmentCount => "bad number of attachments",
            Malformed::Namespace => "bad namespace",
            Malformed::AckId => "bad acknowledgement id",
            Malformed::Payload => "bad payload",
            Malformed::EventName => "bad event name",
            Malformed::Placeholder => "bad placeholder",
            Malformed::TooDeep => "too deep",
            Malformed::TooBig => "too big",
            Malformed::TextBetweenAttachments => "a text among the attachments",
            Malformed::AttachmentOfNothing => "an attachment of nothing",
        })
    }
}
