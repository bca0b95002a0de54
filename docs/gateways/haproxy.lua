-- Asks Doorward if a request may pass: `http-request lua.doorward PATH ADDRESS`. Sets `txn.doorward` to `passed` if it may.

-- What Doorward says of a caller. The last is there if assertions are switched on.
local IDENTITY = {
  "x-doorward-organization", "x-doorward-environment", "x-doorward-key-id", "x-doorward-key-name", "x-doorward-assertion",
}

-- What Doorward looks at: the credential, and the marks of a browser.
local ASKED = { "authorization", "origin", "sec-fetch-mode", "sec-fetch-site" }

-- What a client should hear of a refusal.
local TOLD = { "content-type", "www-authenticate", "retry-after", "cache-control", "x-request-id" }

local UNAVAILABLE = { ["content-type"] = { [0] = "application/problem+json" }, ["retry-after"] = { [0] = "1" } }

-- HAProxy counts the lines of a header from 0.
local function lines(headers, name)
  local found = {}
  for index = 0, #(headers[name] or {}) do
    found[#found + 1] = headers[name] and headers[name][index]
  end
  return found
end

local function refuse(txn, status, headers, body)
  local reply = txn:reply()
  reply:set_status(status)
  for _, name in ipairs(TOLD) do
    for _, value in ipairs(lines(headers, name)) do
      reply:add_header(name, value)
    end
  end
  reply:set_body(body)
  txn:done(reply)
end

core.register_action("doorward", { "http-req" }, function(txn, path, address)
  local headers, asked = txn.http:req_get_headers(), {}
  for _, name in ipairs(ASKED) do
    local values = lines(headers, name)
    if #values > 0 then asked[name] = values end
  end

  local answer = core.httpclient():get({ url = "http://doorward" .. path, dst = address, headers = asked, timeout = 5000 })
  local status = answer and answer.status or 0
  if status == 200 and lines(answer.headers, "x-doorward-organization")[1] then
    for _, name in ipairs(IDENTITY) do
      local value = lines(answer.headers, name)[1]
      if value then txn.http:req_set_header(name, value) end
    end
    txn:set_var("txn.doorward", "passed")
  elseif status >= 400 and status < 500 or status == 503 and #lines(answer.headers, "x-request-id") > 0 then
    refuse(txn, status, answer.headers, answer.body or "")
  else
    -- No answer, or HAProxy's own word that there is none.
    refuse(txn, 503, UNAVAILABLE, '{"type":"about:blank","title":"Service Unavailable","status":503,"code":"not_current"}')
  end
end, 2)
