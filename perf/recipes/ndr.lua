-- Looks for the greatest rate at which no more than a given share of the packets is lost (RFC 2544, section 26.1).
-- For pktgen-dpdk: pktgen … -s 0:uplink.pcap -s 1:downlink.pcap -f ndr.lua

package.path = package.path .. ";?.lua;app/?.lua"
require "Pktgen"

local from, to = 1, 0        -- downlink; 0, 1 for uplink
local goals = { { name = "NDR", loss = 0 }, { name = "PDR", loss = 0.005 } }
local width = 0.005          -- of the interval that is left in the end, relative
local trial_s, confirm_s = 10, 60
local settle_ms = 2000       -- what is on the way arrives

-- One trial: the share that was lost, and packets a second.
local function trial(rate, seconds)
    pktgen.clr()
    pktgen.set(tostring(from), "rate", rate)
    pktgen.delay(200)
    pktgen.start(tostring(from))
    pktgen.delay(seconds * 1000)
    pktgen.stop(tostring(from))
    pktgen.delay(settle_ms)
    local stats = pktgen.portStats("all", "port")
    local sent, came = stats[from].opackets, stats[to].ipackets
    local loss = 1
    if sent > 0 then
        loss = math.max(0, (sent - came) / sent)
    end
    printf("%8.4f %% of the line for %2d s: %d sent, %d came, %.5f %% lost\n", rate, seconds, sent, came, loss * 100)
    return loss, came / seconds
end

local function search(goal)
    -- Per cent of the line: what is known to pass, and what is not.
    local low, high = 0, 100
    local loss, pps = trial(high, trial_s)
    if loss <= goal.loss then
        low = high
    end
    while high - low > width * high do
        local rate = (low + high) / 2
        loss = trial(rate, trial_s)
        if loss <= goal.loss then
            low = rate
        else
            high = rate
        end
        if high < 0.01 then
            printf("%s: nothing comes through\n", goal.name)
            return
        end
    end
    while low > 0.01 do
        loss, pps = trial(low, confirm_s)
        if loss <= goal.loss then
            printf("%s: %.4f %% of the line, %.0f packets a second\n", goal.name, low, pps)
            return
        end
        low = low * (1 - width)
    end
end

pktgen.screen("off")
pktgen.set(tostring(from), "count", 0)
for _, goal in ipairs(goals) do
    search(goal)
end
pktgen.quit()
