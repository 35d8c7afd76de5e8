// The pages of the examples in headless Chromium, in two windows that talk to each other.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { OUTPUT, ensureOutputFolder, launchBrowser, openPage, reasonToSkip, startExample } from "./harness.mjs";

const skip = reasonToSkip();
if (skip) console.log(skip);

// A client that leaves begins a last poll and says goodbye on another connection; where that is faster, the poll is late.
const LATE_POLL = /status (of )?400\b.*transport=polling.*&sid=/;
// One that leaves while it is about to upgrade closes a WebSocket that is not open yet, which Chromium remarks upon.
const ABANDONED_UPGRADE = /WebSocket is closed before the connection is established/;

describe("pages of the examples", { skip, timeout: 120_000 }, () => {
  let browser;

  before(async () => {
    ensureOutputFolder();
    browser = await launchBrowser();
  });

  after(async () => browser?.close());

  /** A test with two windows of an example's page, which must end without a word on the console. */
  function windowsTest(example, name, body) {
    test(`${example}: ${name}`, async () => {
      const server = await startExample(example);
      const opened = [];
      try {
        for (let window = 0; window < 2; window += 1) opened.push(await openPage(browser, server.url));
        await body(...opened.map(({ page }) => page));
        const isOurs = (problem) => !LATE_POLL.test(problem) && !ABANDONED_UPGRADE.test(problem);
        for (const { problems } of opened) assert.deepEqual(problems.filter(isOurs), []);
      } catch (error) {
        for (const [index, { page }] of opened.entries()) {
          await page.screenshot({ path: `${OUTPUT}${example}-${index + 1}.png`, fullPage: true });
        }
        throw error;
      } finally {
        for (const { page } of opened) await page.context().close();
        await server.stop();
      }
    });
  }

  const shown = (page, selector, text) => page.locator(selector, { hasText: text }).last().waitFor();
  const lines = (page) => page.locator("#messages li").allTextContents();

  /** Waits until the element has exactly this text. */
  const reads = (page, selector, text) =>
    page.waitForFunction(([at, wanted]) => document.querySelector(at).textContent === wanted, [selector, text]);

  const enter = async (page, name, room) => {
    await page.getByLabel("Your name").fill(name);
    await page.getByLabel("Room").fill(room);
    await page.getByRole("button", { name: "Enter" }).click();
    await shown(page, "#messages li", `You are in ${room}.`);
  };

  const say = async (page, text) => {
    await page.getByLabel("Message").fill(text);
    await page.keyboard.press("Enter");
  };

  windowsTest("chat", "two people see each other come, type, talk and go", async (ann, bob) => {
    await enter(ann, "Ann", "lobby");
    await enter(bob, "Bob", "lobby");
    await reads(ann, "#users", "Ann, Bob");
    await reads(bob, "#users", "Ann, Bob");

    await bob.getByLabel("Message").pressSequentially("Hel");
    await reads(ann, "#status", "Bob: typing …");
    await say(bob, "Hello <b>Ann</b>");
    await shown(ann, "#messages li", "Bob: Hello <b>Ann</b>");
    await reads(ann, "#status", "");
    await shown(bob, "#messages li", "Bob: Hello <b>Ann</b>");

    await enter(bob, "Bob", "attic");
    await reads(ann, "#users", "Ann");
    await reads(bob, "#users", "Bob");
    await say(ann, "Alone now");
    await shown(ann, "#messages li", "Ann: Alone now");
    await enter(bob, "Bob", "lobby");
    await reads(bob, "#users", "Ann, Bob");
    assert.deepEqual(await lines(bob), ["You are in lobby.", "Bob: Hello <b>Ann</b>", "You are in attic.", "You are in lobby."]);
    assert.deepEqual(await lines(ann), [
      "You are in lobby.",
      "Bob has come.",
      "Bob: Hello <b>Ann</b>",
      "Bob has gone.",
      "Ann: Alone now",
      "Bob has come.",
    ]);
  });

  windowsTest("chat", "whose connection is lost is in the room again once it is back", async (ann, bob) => {
    await enter(ann, "Ann", "lobby");
    await enter(bob, "Bob", "lobby");
    await reads(ann, "#users", "Ann, Bob");
    // What is in the fields by now is not who is in the room.
    await bob.getByLabel("Your name").fill("Somebody else");
    await bob.evaluate(() => socket.io.engine.close());
    await shown(ann, "#messages li", "Bob has gone.");
    await reads(ann, "#users", "Ann, Bob");
    await reads(bob, "#users", "Ann, Bob");
    await say(bob, "Here again");
    await shown(ann, "#messages li", "Bob: Here again");
    await shown(bob, "#messages li", "Bob: Here again");
  });

  const connect = async (page, name, password = "wheel") => {
    await page.getByLabel("Your name").fill(name);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Connect" }).click();
  };

  windowsTest("private_messaging", "a wrong password is refused, and the right one then lets in", async (ann) => {
    await connect(ann, "Ann", "spoke");
    await reads(ann, "#problem", "The password is wrong");
    assert.equal(await ann.evaluate(() => document.activeElement.id), "password");
    assert.equal(await ann.locator("#letters").isVisible(), false);
    await connect(ann, "Ann");
    await reads(ann, "#state", "You are Ann.");
    await reads(ann, "#problem", "");
    await reads(ann, "#to", "Nobody else is here yet");
  });

  windowsTest("private_messaging", "what is sent while a connection is cut is there after the return", async (ann, bob) => {
    await connect(ann, "Ann");
    await connect(bob, "Bob");
    await reads(ann, "#to", "Bob");
    await reads(bob, "#to", "Ann");
    await say(ann, "Hello, Bob");
    await shown(bob, "#messages li", "Ann to Bob: Hello, Bob");
    await shown(ann, "#messages li", "Ann to Bob: Hello, Bob");

    await bob.getByRole("button", { name: "Cut my connection" }).click();
    await shown(bob, "#state", "Not connected");
    await say(ann, "Are you there?");
    await shown(ann, "#messages li", "Ann to Bob: Are you there?");
    await reads(bob, "#state", "You are Bob, back, and have missed nothing.");
    await shown(bob, "#messages li", "Ann to Bob: Are you there?");
    await say(bob, "I am");
    await shown(ann, "#messages li", "Bob to Ann: I am");
    // The sender's own line comes with the acknowledgement.
    await shown(bob, "#messages li", "Bob to Ann: I am");
    assert.deepEqual(await lines(bob), ["Ann to Bob: Hello, Bob", "Ann to Bob: Are you there?", "Bob to Ann: I am"]);
  });
});
