//! A real browser: Chromium, driven by the WebDriver protocol (W3C).

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Lines};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// The pause between two looks at a page.
const MOMENT: Duration = Duration::from_millis(50);

/// A separate browser without a window. It ends on drop.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    refusal: RefCell<String>,
    _profile: tempfile::TempDir,
    /// The driver's further output: with a closed pipe, the driver could end.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    pub fn start() -> Self {
        Self::start_with(&json!({}))
    }

    /// Starts a browser that runs no page's scripts.
    pub fn without_javascript() -> Self {
        Self::start_with(&json!({"profile.managed_default_content_settings.javascript": 2}))
    }

    /// Starts a driver. Returns `None` if it ends without printing its port.
    fn driver() -> Option<(Child, Lines<BufReader<ChildStdout>>, u16)> {
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
        if port.is_none() {
            let _ = driver.wait();
        }
        Some((driver, said, port?))
    }

    fn start_with(preferences: &Value) -> Self {
        // The driver ends at once if its port is taken in another address family.
        let (driver, said, port) = (0..10).find_map(|_| Self::driver()).expect("chromedriver says its port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        // Tests may run as root, for whom Chromium has no sandbox.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &folder];
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments, "prefs": preferences},
            "unhandledPromptBehavior": "accept",
            "timeouts": {"pageLoad": super::GUARD.as_millis(), "script": super::GUARD.as_millis()},
        }}});
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

    /// Loads a page, and follows its redirects.
    pub fn go(&self, url: &str) {
        self.ask("POST", "/url", Some(&json!({ "url": url }))).unwrap();
    }

    /// Returns the current URL.
    pub fn url(&self) -> String {
        self.ask("GET", "/url", None).unwrap().as_str().unwrap().to_owned()
    }

    /// Waits until the visible text begins with this. Returns all of the text.
    pub fn reads(&self, beginning: &str) -> String {
        self.until(&format!("it reads {beginning:?}"), || {
            let body = self.find("body")?;
            let text = self.ask("GET", &format!("/element/{body}/text"), None).ok()?.as_str()?.to_owned();
            text.starts_with(beginning).then_some(text)
        })
    }

    /// Types into the first matching element.
    pub fn type_into(&self, selector: &str, text: &str) {
        self.until(&format!("{selector} takes text"), || {
            let element = self.find(selector)?;
            self.ask("POST", &format!("/element/{element}/value"), Some(&json!({ "text": text }))).ok()
        });
    }

    /// Clicks the first matching element, which leads to another page, and waits until this page is gone.
    pub fn click(&self, selector: &str) {
        let element = self.until(&format!("{selector} can be clicked"), || {
            let element = self.find(selector)?;
            self.ask("POST", &format!("/element/{element}/click"), Some(&json!({}))).ok().map(|_| element)
        });
        self.until(&format!("{selector} leads away"), || {
            self.ask("GET", &format!("/element/{element}/name"), None).err()
        });
    }

    /// Clicks the first matching element, which stays on the page.
    pub fn press(&self, selector: &str) {
        self.until(&format!("{selector} can be pressed"), || {
            let element = self.find(selector)?;
            self.ask("POST", &format!("/element/{element}/click"), Some(&json!({}))).ok()
        });
    }

    /// Returns the visible text of the first matching element, as soon as it exists.
    pub fn text(&self, selector: &str) -> String {
        self.until(&format!("there is {selector}"), || {
            let element = self.find(selector)?;
            Some(self.ask("GET", &format!("/element/{element}/text"), None).ok()?.as_str()?.to_owned())
        })
    }

    /// Waits until the first matching element contains this text.
    pub fn says(&self, selector: &str, text: &str) {
        self.until(&format!("{selector} says {text:?}"), || {
            let element = self.find(selector)?;
            let found = self.ask("GET", &format!("/element/{element}/text"), None).ok()?.as_str()?.to_owned();
            found.contains(text).then_some(())
        });
    }

    /// Waits for a matching element.
    pub fn waits_for(&self, selector: &str) {
        self.until(&format!("there is {selector}"), || self.find(selector));
    }

    /// Returns whether a matching element exists now.
    pub fn has(&self, selector: &str) -> bool {
        self.find(selector).is_some()
    }

    /// Returns the page's source after its scripts' changes.
    pub fn source(&self) -> String {
        self.ask("GET", "/source", None).unwrap().as_str().unwrap().to_owned()
    }

    pub fn back(&self) {
        self.ask("POST", "/back", Some(&json!({}))).unwrap();
    }

    pub fn reload(&self) {
        self.ask("POST", "/refresh", Some(&json!({}))).unwrap();
    }

    /// Presses keys one after the other in the focused element: text, or keys by their WebDriver numbers.
    pub fn keys(&self, keys: &str) {
        let each = |key: char| ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}));
        let pressed: Vec<Value> = keys.chars().flat_map(each).collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": pressed}]});
        self.ask("POST", "/actions", Some(&actions)).unwrap();
    }

    /// Returns a cookie in the form of a request. Scripts cannot read all of them.
    pub fn cookie(&self, name: &str) -> String {
        let found = self.ask("GET", &format!("/cookie/{name}"), None).unwrap();
        format!("{name}={}", found["value"].as_str().unwrap())
    }

    /// Runs a script of the test, which the page's policy does not restrict.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", Some(&json!({"script": script, "args": []}))).unwrap()
    }

    /// The same with a script that passes its result to its last argument.
    pub fn run_until_called(&self, script: &str) -> Value {
        self.ask("POST", "/execute/async", Some(&json!({"script": script, "args": []}))).unwrap()
    }

    /// Sends a command of Chromium's own protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.ask("POST", "/goog/cdp/execute", Some(&json!({"cmd": command, "params": parameters}))).unwrap()
    }

    /// Connects a device that makes passkeys, and whose owner always agrees. Returns its id.
    pub fn device(&self) -> String {
        let device = json!({"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
                            "isUserConsenting": true, "isUserVerified": true});
        let made = self.ask("POST", "/webauthn/authenticator", Some(&device)).unwrap();
        made.as_str().unwrap().to_owned()
    }

    /// Sets whether the owner of a device shows to be there.
    pub fn verifies(&self, device: &str, is_there: bool) {
        let path = format!("/webauthn/authenticator/{device}/uv");
        self.ask("POST", &path, Some(&json!({ "isUserVerified": is_there }))).unwrap();
    }

    /// Returns the passkeys of a device, with their private keys.
    pub fn passkeys(&self, device: &str) -> Vec<Value> {
        let path = format!("/webauthn/authenticator/{device}/credentials");
        self.ask("GET", &path, None).unwrap().as_array().unwrap().clone()
    }

    /// Puts a passkey onto a device, in place of those that it has.
    pub fn put_passkey(&self, device: &str, passkey: &Value) {
        let path = format!("/webauthn/authenticator/{device}");
        self.ask("DELETE", &format!("{path}/credentials"), None).unwrap();
        self.ask("POST", &format!("{path}/credential"), Some(passkey)).unwrap();
    }

    /// Sets the width in CSS pixels, and the colour scheme: `light` or `dark`.
    pub fn looks_like(&self, width: u32, height: u32, colours: &str) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!([{"name": "prefers-color-scheme", "value": colours}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Returns a screenshot as WebP in base64.
    pub fn picture(&self) -> String {
        let picture = self.devtools("Page.captureScreenshot", &json!({"format": "webp", "quality": 70}));
        picture["data"].as_str().unwrap().to_owned()
    }

    fn find(&self, selector: &str) -> Option<String> {
        let asked = json!({"using": "css selector", "value": selector});
        let found = self.ask("POST", "/element", Some(&asked)).ok()?;
        Some(found.as_object()?.values().next()?.as_str()?.to_owned())
    }

    pub fn until<T>(&self, what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
        for _ in 0..super::GUARD.as_millis() / MOMENT.as_millis() {
            if let Some(found) = holds() {
                return found;
            }
            std::thread::sleep(MOMENT);
        }
        let refusal = self.refusal.borrow().clone();
        let page = self.ask("GET", "/source", None).unwrap_or_default();
        panic!("this never happened: {what}, at {}; the driver refused {refusal}; the page: {page}", self.url());
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.command(method, &format!("{}{path}", self.session), body)
    }

    fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer = super::send_bytes(self.address, request.as_bytes());
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
