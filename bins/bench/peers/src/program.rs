//! Peers that are written in another language.

use std::error::Error;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Verifications of one round: they take a third of a millisecond each, or more.
const PER_ROUND: usize = 1_500;

/// A program that verifies keys of its own, as often as it is told. Dropping it ends it.
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
        // What compiles as it runs has done so then.
        program.verify()?;
        Ok(program)
    }

    /// What a verification took, in nanoseconds.
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
