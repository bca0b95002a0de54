//! A real browser: Chromium, by the WebDriver protocol (W3C) of its driver.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A browser of its own, without a window. Dropping it ends it.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    refusal: RefCell<String>,
    _profile: tempfile::TempDir,
    /// What it goes on to say: with no one to hear it, it could end.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    pub fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing: `cargo xtask test` installs it");
        let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = said.by_ref().map_while(Result::ok).find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?
                .trim_end_matches('.')
                .parse::<u16>()
                .ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.expect("chromedriver says its port")));
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        // Tests may run as root, where Chromium has no sandbox.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &folder];
        let capabilities = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let mut browser = Self {
            driver,
            address,
            session: String::new(),
            refusal: RefCell::default(),
            _profile: profile,
            _said: said,
        };
        let made = browser.command("POST", "/session", Some(&capabilities)).expect("a browser");
        browser.session = format!("/session/{}", made["sessionId"].as_str().unwrap());
        browser
    }

    /// Loads a page, and every redirect on the way.
    pub fn go(&self, url: &str) {
        self.ask("POST", "/url", Some(&json!({ "url": url }))).unwrap();
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.ask("GET", "/url", None).unwrap().as_str().unwrap().to_owned()
    }

    /// Waits until what a person reads begins with this, and returns all of it.
    pub fn reads(&self, beginning: &str) -> String {
        self.until(&format!("it reads {beginning:?}"), || {
            let body = self.find("body")?;
            let text = self.ask("GET", &format!("/element/{body}/text"), None).ok()?.as_str()?.to_owned();
            text.starts_with(beginning).then_some(text)
        })
    }

    /// Types into the first element that fits.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.until(&format!("{selector} takes text"), || {
            let element = self.find(selector)?;
            self.ask("POST", &format!("/element/{element}/value"), Some(&json!({ "text": text }))).ok()
        });
    }

    /// Clicks the first element that fits, which leads to another page, and waits until this one is gone.
    pub fn click(&self, selector: &str) {
        let element = self.until(&format!("{selector} can be clicked"), || {
            let element = self.find(selector)?;
            self.ask("POST", &format!("/element/{element}/click"), Some(&json!({}))).ok().map(|_| element)
        });
        self.until(&format!("{selector} leads away"), || {
            self.ask("GET", &format!("/element/{element}/name"), None).err()
        });
    }

    fn find(&self, selector: &str) -> Option<String> {
        let asked = json!({"using": "css selector", "value": selector});
        let found = self.ask("POST", "/element", Some(&asked)).ok()?;
        Some(found.as_object()?.values().next()?.as_str()?.to_owned())
    }

    fn until<T>(&self, what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
        for _ in 0..200 {
            if let Some(found) = holds() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let refusal = self.refusal.borrow().clone();
        let page = self.ask("GET", "/source", None).unwrap_or_default();
        panic!("it never came to this: {what}, at {}; the driver refused {refusal}; the page: {page}", self.url());
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.command(method, &format!("{}{path}", self.session), body)
    }

    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = super::send_bytes_within(self.address, request.as_bytes(), Duration::from_secs(60));
        let answer = answer.ok_or("the driver does not answer")?;
        if answer.status == 200 {
            return Ok(answer.json()["value"].clone());
        }
        *self.refusal.borrow_mut() = format!("{method} {path}: {}", answer.body);
        Err(answer.body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.ask("DELETE", "", None);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
