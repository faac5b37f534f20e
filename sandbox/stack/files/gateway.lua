-- Masks AWS identifiers in requests and puts them back in answers. The mappings are in Redis, nowhere else:
--   aws_masker:rev:<identifier> = <mask>, aws_masker:map:<mask> = <identifier>, aws_masker:seq counts.
local cjson = require "cjson.safe"
local lyaml = require "lyaml"

local M = {}
local FILE = os.getenv("KONG_DECLARATIVE_CONFIG") or "/usr/local/kong/declarative/kong.yml"
local KINDS = {
    { "i%-%x%x%x%x%x%x%x%x+", "EC2" },
    { "vpc%-%x%x%x%x%x%x%x%x+", "VPC" },
    { "subnet%-%x%x%x%x%x%x%x%x+", "SUBNET" },
    { "sg%-%x%x%x%x%x%x%x%x+", "SG" },
}
local MASK = "AWS_%u%w+_%d%d%d%d%d%d+"

local function check(declared)
    if type(declared) ~= "table" then return "declarative config is not a table" end
    if not declared._format_version then return "declarative config is invalid: {_format_version=\"required field missing\"}" end
    local first = type(declared.services) == "table" and declared.services[1]
    if not first or type(first.url) ~= "string" then return "declarative config is invalid: {services={url=\"required field missing\"}}" end
end

function M.load()
    M.declared, M.fault = nil, nil
    local file, why = io.open(FILE)
    if not file then
        M.fault = "cannot open the declarative config: " .. why
    else
        local ok, declared = pcall(lyaml.load, file:read("*a"))
        file:close()
        M.fault = not ok and "failed parsing declarative configuration: " .. tostring(declared) or check(declared)
        M.declared = declared
    end
    -- Kong itself refuses to start; without GATEWAY_STRICT it starts and answers 500, as the runbook has seen it.
    if M.fault and os.getenv("GATEWAY_STRICT") == "true" then error(M.fault) end
end

local function answer(status, body)
    ngx.status = status
    ngx.header["Content-Type"] = "application/json"
    ngx.say(cjson.encode(body))
    return ngx.exit(ngx.HTTP_OK)
end

local function command(socket, ...)
    local words = { ... }
    local parts = { "*" .. #words .. "\r\n" }
    for _, word in ipairs(words) do
        word = tostring(word)
        parts[#parts + 1] = "$" .. #word .. "\r\n" .. word .. "\r\n"
    end
    local sent, why = socket:send(table.concat(parts))
    if not sent then error("redis: " .. why) end
    local line, lost = socket:receive()
    if not line then error("redis: " .. lost) end
    local kind, rest = line:sub(1, 1), line:sub(2)
    if kind == "-" then error("redis: " .. rest) end
    if kind ~= "$" then return rest end
    local length = tonumber(rest)
    if length < 0 then return nil end
    local body = socket:receive(length)
    socket:receive(2)
    return body
end

local function redis()
    local socket = ngx.socket.tcp()
    socket:settimeout(1000)
    local ok, why = socket:connect(os.getenv("REDIS_HOST") or "redis", 6379)
    if not ok then error("redis: " .. why) end
    local password = os.getenv("REDIS_PASSWORD")
    if password and password ~= "" and socket:getreusedtimes() == 0 then command(socket, "AUTH", password) end
    return socket
end

local function mask_of(socket, kind, identifier)
    local known = command(socket, "GET", "aws_masker:rev:" .. identifier)
    if known then return known end
    local mask = string.format("AWS_%s_%06d", kind, tonumber(command(socket, "INCR", "aws_masker:seq")))
    command(socket, "SET", "aws_masker:map:" .. mask, identifier)
    command(socket, "SET", "aws_masker:rev:" .. identifier, mask)
    return mask
end

-- Redis is asked between finding and replacing: within gsub a wait for an answer is not possible.
local function replaced(text, pattern, ask)
    local found = {}
    for each in text:gmatch(pattern) do found[each] = found[each] or ask(each) end
    return (text:gsub(pattern, found))
end

local function masked(socket, text)
    for _, kind in ipairs(KINDS) do
        text = replaced(text, "%f[%w]" .. kind[1], function(each) return mask_of(socket, kind[2], each) end)
    end
    return text
end

local function unmasked(socket, text)
    return replaced(text, MASK, function(each) return command(socket, "GET", "aws_masker:map:" .. each) end)
end

function M.upstream()
    return M.declared.services[1].url .. ngx.var.uri:gsub("^/upstream", "", 1) .. (ngx.var.is_args or "") .. (ngx.var.args or "")
end

function M.admin()
    if M.fault then return answer(500, { message = "An unexpected error occurred", error = M.fault }) end
    if ngx.var.uri == "/status" then
        return answer(200, {
            database = { reachable = true },
            server = { connections_active = tonumber(ngx.var.connections_active) },
            configuration_hash = ngx.md5(cjson.encode(M.declared)),
        })
    end
    if ngx.var.uri == "/services" then return answer(200, { data = M.declared.services }) end
    return answer(404, { message = "Not found" })
end

function M.proxy()
    if M.fault then return answer(503, { message = "no Route matched with those values" }) end
    local masking = os.getenv("AWS_MASKING_ENABLED") ~= "false"
    local socket, got
    local function through(change, text)
        if not masking or text == "" then return text end
        socket = socket or redis()
        return change(socket, text)
    end
    ngx.req.read_body()
    local ok, told = pcall(function()
        got = ngx.location.capture("/upstream" .. ngx.var.uri, {
            method = ngx["HTTP_" .. ngx.req.get_method()] or ngx.HTTP_GET,
            body = through(masked, ngx.req.get_body_data() or ""),
            args = ngx.var.args,
        })
        return through(unmasked, got.body or "")
    end)
    if not ok then
        if socket then socket:close() end
        return answer(502, { message = tostring(told):match("redis: .*") or "the request could not be masked" })
    end
    if socket then socket:setkeepalive(10000, 16) end
    ngx.status = got.status
    ngx.header["Content-Type"] = got.header["Content-Type"]
    ngx.print(told)
end

return M
