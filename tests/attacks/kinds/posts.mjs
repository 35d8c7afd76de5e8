// Bodies of 1 MB that hold as many packets as they can.
import { beside } from "../support/beside.mjs";
import { payload } from "../support/frames.mjs";

const module = import.meta.url;
const BODY_BYTES = 1_000_000;
const CLIENTS = 4;

const packets = {
  "Engine.IO noop packets": "6",
  pongs: "3",
  "events without a name": "42[1]",
  "acknowledgements that nobody asked for": "430[]",
};

function posts(name, packet) {
  const title = `${CLIENTS} connections posting 1 MB of ${name}`;
  return {
    name: title,
    title,
    server: "echo",
    bounds: { answers: { min: 200 }, cpuSeconds: { max: 6 }, growthMib: { max: 24 }, dropped: { max: 0 }, closed: { max: 0 } },
    measure: (t, target, options) => beside(t, target, { module, name: title }, { answers: 200, ...options }),
    async prepare(crew) {
      this.clients = await crew.polling(CLIENTS);
    },
    run(crew) {
      return crew.post(this.clients, payload(packet, BODY_BYTES));
    },
  };
}

export const attacks = Object.entries(packets).map(([name, packet]) => posts(name, packet));
