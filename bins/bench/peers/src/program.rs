//! Peers in other languages.

use std::error::Error;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The number of verifications in a round: each takes a third of a millisecond or more.
const PER_ROUND: usize = 1_500;

/// A program that verifies its own keys on request. It ends on drop.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub(crate) fn better_auth() -> Result<Self, Box<dyn Error>> {
        Self::start("better-auth", "node", "verify.mjs")
    }

    pub(crate) fn djangorestframework_api_key() -> Result<Self, Box<dyn Error>> {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
        Self::start("djangorestframework-api-key", &python.to_string_lossy(), "verify.py")
    }

    fn start(name: &'static str, interpreter: &str, script: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(interpreter)
            .arg(script)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = process.stdin.take().ok_or("no standard input")?;
        let output = BufReader::new(process.stdout.take().ok_or("no standard output")?).lines();
        let mut program = Self { name, process, input, output };
        match program.line()?.as_str() {
            "ready" => {}
            other => return Err(format!("{name} said {other}").into()),
        }
        // After this round, just-in-time compilation is done.
        program.verify()?;
        Ok(program)
    }

    /// Returns the time of a verification in nanoseconds.
    pub(crate) fn verify(&mut self) -> Result<f64, Box<dyn Error>> {
        writeln!(self.input, "{PER_ROUND}")?;
        Ok(self.line()?.parse()?)
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        Ok(self.output.next().ok_or_else(|| format!("{} ended", self.name))??)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
