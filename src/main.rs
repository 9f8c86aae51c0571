use std::process::ExitCode;

fn main() -> ExitCode {
    moothall::cli::main(std::env::args_os().skip(1))
}
