-- What Argo CD shows of a RotatedCredential. A routine rotation is Healthy from beginning to end.
local hs = { status = "Progressing", message = "waiting for Rekey" }
if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "being deleted"
  return hs
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local found = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  found[condition.type] = condition
end
local function holds(kind)
  return found[kind] ~= nil and found[kind].status == "True"
end
local function say(kind)
  local text = found[kind].message
  if text == nil or text == "" then
    return found[kind].reason
  end
  return found[kind].reason .. ": " .. text
end
if holds("Stalled") then
  hs.status = "Degraded"
  hs.message = say("Stalled")
elseif holds("Ready") then
  hs.status = "Healthy"
  hs.message = "version " .. tostring(obj.status.currentVersion)
  if holds("RevocationBlocked") then
    hs.message = hs.message .. "; the one before is kept, " .. say("RevocationBlocked")
  end
elseif found["Ready"] ~= nil then
  hs.message = say("Ready")
end
return hs
