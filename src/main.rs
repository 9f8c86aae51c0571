fn main() {
    let settings = moothall::settings::Settings::from_env().expect("settings");
    moothall::logging::start(settings.log_format, &settings.log_filter);
    if let Err(e) = moothall::server::serve(settings) { eprintln!("moothall: {e}"); std::process::exit(e.code().into()) }
}
