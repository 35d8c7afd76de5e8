// Every attack, with the bounds that the server keeps: answers to others, memory, processor time, nobody dropped; and afterwards
// no descriptor is left. Everything is counted; the limits of time only end what hangs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { attacks } from "./kinds/index.mjs";
import { until } from "../interop/support/wait.mjs";
import { startTarget } from "./support/beside.mjs";
import { missedBounds } from "./support/bounds.mjs";
import { descriptors } from "./support/proc.mjs";

for (const attack of attacks) {
  test(attack.title, async (t) => {
    const target = attack.server && (await startTarget(t, attack.server, attack.flags));
    await attack.setUp?.(target);
    const before = target && descriptors(target);
    const figures = await attack.measure(t, target, { seconds: 1, limitSeconds: 20 });
    t.diagnostic(JSON.stringify(figures));
    assert.deepEqual(missedBounds(attack.bounds, figures), []);
    if (target) await until(() => descriptors(target) <= before, "descriptors as before", 60_000);
  });
}
