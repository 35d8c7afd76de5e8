// Connection state recovery with the official client.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ack, connected, eventsOf, settled, TRANSPORTS } from "./support/clients.mjs";
import { sharedServer } from "./support/server.mjs";
import { once, until } from "./support/wait.mjs";

const server = sharedServer("echo", ["--recovery"]);

for (const [way, transports] of Object.entries(TRANSPORTS)) {
  const options = { ...transports, reconnectionDelay: 200, randomizationFactor: 0 };
  describe(`over ${way}`, () => {
    /** Takes the client's connection away, lets others send meanwhile, and waits until the client is back. */
    async function interrupt(socket, meanwhile) {
      const back = once(socket, "connect");
      socket.io.engine.close();
      await meanwhile();
      await back;
    }

    test("B125 B127 B129 what was missed comes first, once and in order, and the id stays", async (t) => {
      const socket = await connected(t, server, options);
      const other = await connected(t, server, options);
      const { id } = socket;
      const room = `room of ${id}`;
      await ack(socket, "join", room);
      for (let round = 0; round < 3; round++) {
        await interrupt(socket, async () => {
          for (let number = 0; number < 20; number++) other.emit("broadcast", round, number);
          other.emit("to-room", room, "in the room", round);
          other.emit("to-room", "elsewhere", "not for it");
          await settled(other);
        });
        assert.equal(socket.recovered, true);
        assert.equal(socket.id, id);
        await settled(socket);
      }
      const numbers = Array.from({ length: 60 }, (_, n) => [Math.floor(n / 20), n % 20]);
      assert.deepEqual(eventsOf(socket, "broadcast").map((args) => args.slice(0, 2)), numbers);
      assert.deepEqual(eventsOf(socket, "room-message").map((args) => args.slice(0, 2)), [0, 1, 2].map((n) => ["in the room", n]));
      assert.equal(eventsOf(socket, "auth").length, 4, "a recovered client has joined anew for its handlers");
    });

    test("B128 a client that leaves on purpose begins anew", async (t) => {
      const socket = await connected(t, server, options);
      const { id } = socket;
      const back = once(socket, "connect");
      socket.disconnect().connect();
      await back;
      assert.equal(socket.recovered, false);
      assert.notEqual(socket.id, id);
    });

    test("B131 a client that has received no event with an offset recovers too", async (t) => {
      const socket = await connected(t, server, options);
      const { id } = socket;
      socket._lastOffset = undefined;
      await interrupt(socket, async () => {});
      await until(() => socket.recovered, "recovery");
      assert.equal(socket.id, id);
    });
  });
}
