-- Asks Doorward of each request whether it may pass: `http-request lua.doorward URL`.

local IDENTITY = { "x-doorward-organization", "x-doorward-environment", "x-doorward-key-id", "x-doorward-key-name" }

-- What Doorward looks at: the credential, and the marks of a browser.
local ASKED = { "authorization", "origin", "sec-fetch-mode", "sec-fetch-site" }

-- What a client should hear of a refusal.
local TOLD = { "content-type", "www-authenticate", "retry-after", "cache-control", "x-request-id" }

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

core.register_action("doorward", { "http-req" }, function(txn, url)
  local headers, asked = txn.http:req_get_headers(), {}
  for _, name in ipairs(ASKED) do
    local values = lines(headers, name)
    if #values > 0 then asked[name] = values end
  end
  -- No client says who it is.
  for _, name in ipairs(IDENTITY) do txn.http:req_del_header(name) end

  local answer = core.httpclient():get({ url = url, headers = asked, timeout = 2000 })
  if not answer or not answer.status or answer.status == 0 or answer.status == 504 then
    refuse(txn, 503, { ["retry-after"] = { [0] = "1" } }, "")
  elseif answer.status == 200 then
    for _, name in ipairs(IDENTITY) do
      txn.http:req_add_header(name, lines(answer.headers, name)[1] or "")
    end
  else
    refuse(txn, answer.status, answer.headers, answer.body or "")
  end
end, 1)
