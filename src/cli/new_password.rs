//! Where a new password comes from: typed twice without echo, piped in as one line, or made at random.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::exit::Exit;

/// Without letters and digits that look alike.
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const GROUPS: usize = 4;
const GROUP_CHARS: usize = 5;

/// `k3vxq-…`: 20 characters of 31, about 99 bits, in groups that can be read aloud.
pub fn generate() -> Result<String, Exit> {
    let mut password = String::with_capacity(GROUPS * (GROUP_CHARS + 1));
    for at in 0..GROUPS * GROUP_CHARS {
        if at > 0 && at % GROUP_CHARS == 0 {
            password.push('-');
        }
        password.push(random_char()?);
    }
    Ok(password)
}

/// Every character is as likely as any other: bytes above the last multiple of 31 are thrown away.
fn random_char() -> Result<char, Exit> {
    let fair = u8::MAX - u8::MAX % ALPHABET.len() as u8;
    loop {
        let mut byte = [0];
        getrandom::fill(&mut byte).map_err(|error| Exit::Failed(format!("no random numbers: {error}")))?;
        if byte[0] < fair {
            return Ok(ALPHABET[usize::from(byte[0]) % ALPHABET.len()].into());
        }
    }
}

/// Reads it from standard input: from a terminal twice and unseen, else its first line.
pub fn ask(email: &str) -> Result<String, Exit> {
    if !io::stdin().is_terminal() {
        return line();
    }
    let hidden = Hidden::start();
    let first = prompt(&format!("New password for {email}: "))?;
    let second = prompt("Once more: ")?;
    drop(hidden);
    if first == second { Ok(first) } else { Err(Exit::Failed("the two passwords differ: nothing was changed".to_owned())) }
}

fn prompt(text: &str) -> Result<String, Exit> {
    eprint!("{text}");
    let _ = io::stderr().flush();
    let answer = line();
    eprintln!();
    answer
}

fn line() -> Result<String, Exit> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| Exit::Failed(format!("cannot read a password: {error}")))?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    Ok(password.strip_suffix('\r').unwrap_or(password).to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Hidden {
    before: Option<libc::termios>,
}

impl Hidden {
    fn start() -> Self {
        // SAFETY: a `termios` is plain data for which zeros are valid, and both calls get a pointer to a whole one.
        unsafe {
            let mut now: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(libc::STDIN_FILENO, &mut now) != 0 {
                return Self { before: None };
            }
            let before = now;
            now.c_lflag &= !libc::ECHO;
            libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, &now);
            Self { before: Some(before) }
        }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: the pointer is to a whole `termios` that the system filled.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSAFLUSH, before) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_has_four_groups_of_unmistakable_characters_and_differs_each_time() {
        let first = generate().unwrap();
        assert!(first.split('-').all(|group| group.len() == GROUP_CHARS && group.bytes().all(|b| ALPHABET.contains(&b))));
        assert_eq!(first.split('-').count(), GROUPS);
        assert_ne!(first, generate().unwrap());
    }
}
