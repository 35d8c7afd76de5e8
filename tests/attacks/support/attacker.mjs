// A process that attacks: it connects, says that it is ready, and sends what the attack's module says until it is told to
// stop. It is bounded in time and in bytes whatever happens to the process that started it.
import { Crew } from "./crew.mjs";

/** The process ends by itself after this time. */
const LIFE_MS = 90_000;

setTimeout(() => process.exit(1), LIFE_MS);
process.once("disconnect", () => process.exit(0));

let crew;
let attack;

process.on("message", async ({ command, module, name, server }) => {
  if (command === "prepare") {
    const { attacks } = await import(module);
    attack = attacks.find((candidate) => candidate.name === name);
    crew = new Crew(server);
    await attack.prepare?.(crew);
    process.send({ event: "ready" });
  } else if (command === "go") {
    await attack.run(crew);
    process.send({ event: "done", figures: crew.figures() });
  } else if (command === "stop") {
    crew.stop();
  }
});
