//! Who is here: connections counted per member.
