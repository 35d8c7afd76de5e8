import { expect, test, vi } from "vitest";
import { ApiError, errorFromBody } from "../src/api";
import { type Send, type Upload, UploadQueue } from "../src/upload";

const file = (name: string, lastModified = 1): File => new File(["a,b\n"], name, { lastModified });

/** A queue whose sending a test ends by hand. */
function queue(): { queue: UploadQueue; sending: { upload: Upload; end: () => void; fail: (error: unknown) => void }[] } {
  const sending: { upload: Upload; end: () => void; fail: (error: unknown) => void }[] = [];
  const send: Send = (upload, _onSent, signal) =>
    new Promise((end, fail) => {
      signal.addEventListener("abort", () => fail(new ApiError("ABORTED", "")));
      sending.push({ upload, end, fail });
    });
  return { queue: new UploadQueue(send, () => {}), sending };
}

const states = (uploads: Upload[]): string[] => uploads.map((upload) => upload.state);

test("files are sent one after another, in the order in which they were chosen", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  expect(states(uploads.uploads)).toEqual(["ready", "ready"]);
  uploads.start("nessus");
  expect(states(uploads.uploads)).toEqual(["sending", "waiting"]);
  sending[0]!.end();
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["sent", "sending"]));
  expect(sending.map(({ upload }) => [upload.file.name, upload.vendor])).toEqual([
    ["a.csv", "nessus"],
    ["b.csv", "nessus"],
  ]);
});

test("files added while others are on their way follow them", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv")]);
  uploads.start("");
  uploads.add([file("b.csv")]);
  uploads.start("");
  expect(states(uploads.uploads)).toEqual(["sending", "waiting"]);
  sending[0]!.end();
  await vi.waitFor(() => expect(sending).toHaveLength(2));
  sending[1]!.end();
  await vi.waitFor(() => expect(uploads.busy).toBe(false));
  uploads.add([file("c.csv")]);
  uploads.start("");
  await vi.waitFor(() => expect(sending).toHaveLength(3));
});

test("the same file is not taken twice while it is on its way, and again afterwards", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv")]);
  uploads.start("");
  expect(uploads.add([file("a.csv"), file("a.csv", 2)]).map((double) => double.name)).toEqual(["a.csv"]);
  expect(uploads.ready).toHaveLength(1);
  uploads.remove(uploads.ready[0]!);
  expect(uploads.ready).toHaveLength(0);
  sending[0]!.end();
  await vi.waitFor(() => expect(uploads.busy).toBe(false));
  expect(uploads.add([file("a.csv")])).toEqual([]);
  expect(states(uploads.uploads)).toEqual(["ready"]);
});

test("a refused file keeps its error and does not hold up the next", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  uploads.start("");
  sending[0]!.fail(new ApiError("PAYLOAD_TOO_LARGE", "too large"));
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["failed", "sending"]));
  expect(uploads.uploads[0]!.error).toMatchObject({ code: "PAYLOAD_TOO_LARGE", message: "too large" });
});

test("a failed file is sent once more under a session of its own", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  uploads.start("nessus");
  const [first] = uploads.uploads;
  const { sessionId } = first!;
  sending[0]!.fail(new ApiError("NETWORK_ERROR", "gone"));
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["failed", "sending"]));
  uploads.retry(first!);
  expect(states(uploads.uploads)).toEqual(["waiting", "sending"]);
  uploads.retry(first!);
  sending[1]!.end();
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["sending", "sent"]));
  expect(first).toMatchObject({ error: null, vendor: "nessus" });
  expect(first!.sessionId).not.toBe(sessionId);
  expect(sending).toHaveLength(3);
});

test("what the server would throw away is not sent to the end", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  uploads.start("");
  uploads.stop("some other session");
  expect(states(uploads.uploads)).toEqual(["sending", "waiting"]);
  uploads.stop(sending[0]!.upload.sessionId);
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["stopped", "sending"]));
});

test("an upload whose last byte has gone is left to the server's answer", () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv")]);
  uploads.start("");
  sending[0]!.upload.sent = 1;
  uploads.stop(sending[0]!.upload.sessionId);
  expect(states(uploads.uploads)).toEqual(["sending"]);
});

test("every upload has a session id of its own, a UUID of version 4", () => {
  const { queue: uploads } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  const ids = uploads.uploads.map((upload) => upload.sessionId);
  expect(new Set(ids).size).toBe(2);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test("refusals are read from the body, whatever it is", () => {
  expect(errorFromBody(413, '{"error":{"code":"PAYLOAD_TOO_LARGE","message":"too large"}}')).toMatchObject({
    code: "PAYLOAD_TOO_LARGE",
    message: "too large",
  });
  expect(errorFromBody(502, "<html>bad gateway</html>").code).toBe("HTTP_502");
});
