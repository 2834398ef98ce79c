//! The `holdfast` command line. Each subcommand is one file; what they share about settings is in `context`.

mod audit;
mod consumers;
mod context;
mod demo;
mod dev;
mod doctor;
mod migrate;
mod person;
pub mod print;
mod projections;
mod reactions;
mod relay;
mod replay;
mod serve;
mod session;
mod tenant;
mod token;
mod verify;
mod wiring;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use context::Global;

/// Holds other people's money until the work is done.
///
/// Escrow, wallets and a double-entry ledger on an append-only log of events. Start with `holdfast dev`: it runs everything
/// on this machine, with its own Postgres and NATS, and prints tokens and curl lines to try.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    // What each does is said in its own file.
    Dev(dev::Arguments),
    Serve(serve::Arguments),
    Migrate(migrate::Arguments),
    Tenant(tenant::Arguments),
    Person(person::Arguments),
    Session(session::Arguments),
    Token(token::Arguments),
    Demo(demo::Arguments),
    Verify(verify::Arguments),
    Doctor(doctor::Arguments),
    Reactions(reactions::Arguments),
    Replay(replay::Arguments),
    Consumers(consumers::Arguments),
    Relay(relay::Arguments),
    Audit(audit::Arguments),
    Projections(projections::Arguments),
}

/// Parses the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start the runtime")),
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("holdfast: {error:#}");
    ExitCode::FAILURE
}

async fn run(Arguments { global, command }: Arguments) -> anyhow::Result<ExitCode> {
    match command {
        Command::Dev(arguments) => dev::run(&global, arguments).await,
        Command::Serve(arguments) => serve::run(&global, arguments).await,
        Command::Migrate(arguments) => migrate::run(&global, arguments).await,
        Command::Person(arguments) => person::run(&global, arguments).await,
        Command::Session(arguments) => session::run(&global, arguments).await,
        Command::Tenant(arguments) => tenant::run(&global, arguments).await,
        Command::Token(arguments) => token::run(&global, arguments),
        Command::Demo(arguments) => demo::run(&global, arguments).await,
        Command::Verify(arguments) => verify::run(&global, arguments).await,
        Command::Doctor(arguments) => doctor::run(&global, arguments).await,
        Command::Reactions(arguments) => reactions::run(&global, arguments).await,
        Command::Replay(arguments) => replay::run(&global, arguments).await,
        Command::Consumers(arguments) => consumers::run(&global, arguments).await,
        Command::Relay(arguments) => relay::run(&global, arguments).await,
        Command::Audit(arguments) => audit::run(&global, arguments).await,
        Command::Projections(arguments) => projections::run(&global, arguments).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Arguments::command().debug_assert();
    }
}
