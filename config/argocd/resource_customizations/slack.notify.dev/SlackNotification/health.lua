-- Health of a SlackNotification for Argo CD, from the conditions that the operator writes.
local hs = {status = "Progressing", message = "Waiting for slack-notifier to look at this SlackNotification"}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local by = {}
for _, c in ipairs(status.conditions) do by[c.type] = c end
local ready = by["Ready"]
if ready == nil or ready.observedGeneration ~= obj.metadata.generation then
  return hs
end
hs.message = ready.reason .. ": " .. (ready.message or "")
local stalled = by["Stalled"]
if ready.status == "True" then
  hs.status = "Healthy"
elseif stalled ~= nil and stalled.status == "True" then
  hs.status = "Degraded"
elseif ready.reason == "Suspended" or ready.reason == "Scheduled" or ready.reason == "SlackChannelSuspended" then
  hs.status = "Suspended"
end
return hs
