// What all tests of one file share.

import { after, before } from "node:test";
import { ensureOutputFolder, launchBrowser, scratchFolder, startServer } from "./harness.mjs";

/** A folder, a server with its data in there, and a browser, for the tests around; they are there when the first of these begins. */
export function worldOfTests() {
  const world = {};

  before(async () => {
    ensureOutputFolder();
    world.folder = scratchFolder();
    world.server = await startServer(world.folder.path);
    world.browser = await launchBrowser();
  });

  after(async () => {
    await world.browser?.close();
    await world.server?.stop();
    world.folder?.remove();
  });

  return world;
}
