import { expect, test, vi } from "vitest";
import { ApiError, errorFromBody } from "../src/api";
import { type Preview, type Send, type Upload, UploadQueue, formFields, previewFromBody } from "../src/upload";

const file = (name: string, lastModified = 1): File => new File(["a,b\n"], name, { lastModified });

/** A queue whose sending a test ends by hand. */
interface Sending {
  upload: Upload;
  end: (preview?: Preview) => void;
  fail: (error: unknown) => void;
}

function queue(): { queue: UploadQueue; sending: Sending[] } {
  const sending: Sending[] = [];
  const send: Send = (upload, _onSent, signal) =>
    new Promise((end, fail) => {
      signal.addEventListener("abort", () => fail(new ApiError("ABORTED", "")));
      sending.push({ upload, end: (preview) => end(preview ?? null), fail });
    });
  return { queue: new UploadQueue(send, () => {}), sending };
}

const states = (uploads: Upload[]): string[] => uploads.map((upload) => upload.state);

test("files are sent one after another, in the order in which they were chosen", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  expect(states(uploads.uploads)).toEqual(["ready", "ready"]);
  uploads.start({ vendor: "nessus" });
  expect(states(uploads.uploads)).toEqual(["sending", "waiting"]);
  sending[0]!.end();
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["sent", "sending"]));
  expect(sending.map(({ upload }) => [upload.file.name, upload.fields["vendor"]])).toEqual([
    ["a.csv", "nessus"],
    ["b.csv", "nessus"],
  ]);
});

test("files added while others are on their way follow them", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv")]);
  uploads.start({});
  uploads.add([file("b.csv")]);
  uploads.start({});
  expect(states(uploads.uploads)).toEqual(["sending", "waiting"]);
  sending[0]!.end();
  await vi.waitFor(() => expect(sending).toHaveLength(2));
  sending[1]!.end();
  await vi.waitFor(() => expect(uploads.busy).toBe(false));
  uploads.add([file("c.csv")]);
  uploads.start({});
  await vi.waitFor(() => expect(sending).toHaveLength(3));
});

test("the same file is not taken twice while it is on its way, and again afterwards", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv")]);
  uploads.start({});
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
  uploads.start({});
  sending[0]!.fail(new ApiError("PAYLOAD_TOO_LARGE", "too large"));
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["failed", "sending"]));
  expect(uploads.uploads[0]!.error).toMatchObject({ code: "PAYLOAD_TOO_LARGE", message: "too large" });
});

test("a failed file is sent once more under a session of its own", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  uploads.start({ vendor: "nessus" });
  const [first] = uploads.uploads;
  const { sessionId } = first!;
  sending[0]!.fail(new ApiError("NETWORK_ERROR", "gone"));
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["failed", "sending"]));
  uploads.retry(first!);
  expect(states(uploads.uploads)).toEqual(["waiting", "sending"]);
  uploads.retry(first!);
  sending[1]!.end();
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["sending", "sent"]));
  expect(first).toMatchObject({ error: null, fields: { vendor: "nessus" } });
  expect(first!.sessionId).not.toBe(sessionId);
  expect(sending).toHaveLength(3);
});

test("what the server would throw away is not sent to the end", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  uploads.start({});
  uploads.stop("some other session");
  expect(states(uploads.uploads)).toEqual(["sending", "waiting"]);
  uploads.stop(sending[0]!.upload.sessionId);
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["stopped", "sending"]));
});

test("an upload whose last byte has gone is left to the server's answer", () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv")]);
  uploads.start({});
  sending[0]!.upload.sent = 1;
  uploads.stop(sending[0]!.upload.sessionId);
  expect(states(uploads.uploads)).toEqual(["sending"]);
});

const FOUND: Preview = { summary: { new_vulnerabilities: 3 }, error: null };

test("a previewed file stays ready, and is imported under a session of its own", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv")]);
  const [first] = uploads.uploads;
  uploads.check([first!], { site: "north" });
  expect(states(uploads.uploads)).toEqual(["sending", "ready"]);
  const { sessionId } = first!;
  // The events of a dry run that failed come before its answer, which tells more.
  uploads.stop(sessionId);
  sending[0]!.end(FOUND);
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["ready", "ready"]));
  expect(first).toMatchObject({ preview: FOUND, dryRun: true });
  uploads.start({});
  expect(states(uploads.uploads)).toEqual(["sending", "waiting"]);
  expect(first).toMatchObject({ dryRun: false, fields: {} });
  expect(first!.sessionId).not.toBe(sessionId);
});

test("an import that failed for what can be corrected has its file ready again, others have not", async () => {
  const { queue: uploads, sending } = queue();
  uploads.add([file("a.csv"), file("b.csv"), file("c.csv")]);
  uploads.start({});
  const [sent, underWay] = uploads.uploads.map(({ sessionId }) => sessionId);
  sending[0]!.end();
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["sent", "sending", "waiting"]));
  const error = { code: "CSV_UNKNOWN_FORMAT", message: "no columns are known" };
  expect(uploads.refused(sent!, { ...error, code: "STORAGE_ERROR" })).toBe(false);
  expect(uploads.refused("another session", error)).toBe(false);
  expect(uploads.refused(sent!, error)).toBe(true);
  expect(uploads.refused(sent!, error)).toBe(false);
  expect(uploads.refused(underWay!, error)).toBe(true);
  await vi.waitFor(() => expect(states(uploads.uploads)).toEqual(["ready", "ready", "sending"]));
  expect(uploads.uploads[1]!.preview).toEqual({ summary: null, error });
});

test("what was chosen for a file goes with it, before it", () => {
  const { queue: uploads } = queue();
  uploads.add([file("a.csv")]);
  const upload = uploads.uploads[0]!;
  upload.fields = { vendor: "own" };
  expect(formFields(upload)).toEqual({ vendor: "own" });
  upload.choices = { mapping: { host: "Machine" }, severityMap: { grave: "Critical" }, allowOlder: true };
  upload.dryRun = true;
  expect(formFields(upload)).toEqual({
    vendor: "own",
    mapping: '{"host":"Machine"}',
    severityMap: '{"grave":"Critical"}',
    allowOlder: "true",
    dryRun: "true",
    wait: "true",
  });
});

test("previews are read from answers that tell an outcome, and from no others", () => {
  expect(previewFromBody(200, '{"success":true,"summary":{"new_vulnerabilities":3}}')).toEqual(FOUND);
  const error = { code: "CSV_EMPTY", message: "The file is empty" };
  expect(previewFromBody(422, JSON.stringify({ success: false, error }))).toEqual({ summary: null, error });
  for (const [status, body] of [[200, "{}"], [422, "{}"], [410, JSON.stringify({ error })], [503, "<html>"], [200, "<html>"]] as const) {
    expect(previewFromBody(status, body), `${status} ${body}`).toBeNull();
  }
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
