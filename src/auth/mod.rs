//! Who somebody is: sessions, passwords and the HTTP API of Better Auth.
