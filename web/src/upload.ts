import { ApiError, errorFromBody } from "./api";
import type { ErrorDetail, ImportSummary } from "../client/src/events.js";
import { randomUuid } from "../client/src/uuid.js";
import { UPLOAD } from "./texts";

export type UploadState = "ready" | "waiting" | "sending" | "sent" | "failed" | "stopped";

/** Fields of the upload's form beside the file, as docs/http.md has them. */
export type UploadFields = Record<string, string>;

/** What the server has made of a file without keeping it: one of the two. */
export type Preview = { summary: ImportSummary; error: null } | { summary: null; error: ErrorDetail };

export interface Upload {
  readonly file: File;
  /** Chosen here, so that the session of this upload is known before the server answers; each try has its own. */
  sessionId: string;
  /** What the form said when the file was sent. */
  fields: UploadFields;
  /** What was chosen for this file alone. */
  choices: Choices;
  /** It is only tried: the server counts and keeps nothing. */
  dryRun: boolean;
  state: UploadState;
  /** Share of the file that has left the browser, 0 to 1. */
  sent: number;
  error: ApiError | null;
  /** Outcome of the last dry run, or the error of an import that can be put right. */
  preview: Preview | null;
}

/** Corrections of what the server guesses of a file. */
export interface Choices {
  /** Columns by field. */
  mapping: Record<string, string>;
  /** Severities by the file's words. */
  severityMap: Record<string, string>;
  allowOlder: boolean;
}

/** Errors of a file that choices may put right. */
const CORRECTABLE = new Set(["CSV_UNKNOWN_FORMAT", "OLDER_SCAN", "NO_VALID_ROWS", "TOO_MANY_INVALID_ROWS"]);

/** Sends one file; `onSent` hears the share that has left. A dry run gives what was found. */
export type Send = (upload: Upload, onSent: (share: number) => void, signal: AbortSignal) => Promise<Preview | null>;

/**
 * The files a person has chosen: first ready, then sent one after another. The
 * same file is taken only once until its upload has ended.
 */
export class UploadQueue {
  readonly uploads: Upload[] = [];
  readonly #send: Send;
  readonly #changed: () => void;
  #abort: AbortController | null = null;

  constructor(send: Send, changed: () => void) {
    this.#send = send;
    this.#changed = changed;
  }

  get ready(): Upload[] {
    return this.uploads.filter((upload) => upload.state === "ready");
  }

  get busy(): boolean {
    return this.uploads.some((upload) => upload.state === "waiting" || upload.state === "sending");
  }

  /** Takes files in and answers those that are here already. */
  add(files: Iterable<File>): File[] {
    const doubles: File[] = [];
    for (const file of files) {
      const same = this.uploads.find((upload) => isSameFile(upload.file, file));
      if (same && ["ready", "waiting", "sending"].includes(same.state)) {
        doubles.push(file);
        continue;
      }
      if (same) this.#drop(same);
      this.uploads.push({
        file,
        sessionId: randomUuid(),
        fields: {},
        choices: { mapping: {}, severityMap: {}, allowOlder: false },
        dryRun: false,
        state: "ready",
        sent: 0,
        error: null,
        preview: null,
      });
    }
    this.#changed();
    return doubles;
  }

  /** Sends all ready files, to be imported. */
  start(fields: UploadFields): void {
    this.#sendAll(this.ready, fields, false);
  }

  /** Sends these of the ready files, to see what an import would do. */
  check(uploads: Upload[], fields: UploadFields): void {
    this.#sendAll(uploads.filter((upload) => upload.state === "ready"), fields, true);
  }

  /** Sends a file that failed once more. */
  retry(upload: Upload): void {
    if (upload.state === "failed") this.#sendAll([upload], upload.fields, upload.dryRun);
  }

  /** An import has failed; true if its file is here, ready to be corrected. */
  refused(sessionId: string, error: ErrorDetail): boolean {
    const upload = this.uploads.find((candidate) => candidate.sessionId === sessionId && !candidate.dryRun);
    if (!upload || !CORRECTABLE.has(error.code)) return false;
    const sending = upload.state === "sending";
    if (!sending && upload.state !== "sent") return false;
    Object.assign(upload, { state: "ready", preview: { summary: null, error } });
    if (sending) this.#abort?.abort();
    this.#changed();
    return true;
  }

  /** Takes a file that is not being sent off the list. */
  remove(upload: Upload): void {
    if (upload.state === "sending") return;
    this.#drop(upload);
    this.#changed();
  }

  /** The import failed or was cancelled: what the server would only throw away need not be sent. */
  stop(sessionId: string): void {
    const upload = this.uploads.find((candidate) => candidate.sessionId === sessionId);
    // A dry run is answered with what was found, however it ended.
    if (upload?.state !== "sending" || upload.sent === 1 || upload.dryRun) return;
    upload.state = "stopped";
    this.#abort?.abort();
  }

  #sendAll(uploads: Upload[], fields: UploadFields, dryRun: boolean): void {
    for (const upload of uploads) {
      Object.assign(upload, { fields, dryRun, state: "waiting", sent: 0, error: null, sessionId: randomUuid() });
    }
    this.#changed();
    if (!this.#abort) void this.#run();
  }

  async #run(): Promise<void> {
    for (;;) {
      const upload = this.uploads.find((candidate) => candidate.state === "waiting");
      if (!upload) break;
      await this.#sendOne(upload);
      this.#changed();
    }
    this.#abort = null;
  }

  async #sendOne(upload: Upload): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    upload.state = "sending";
    this.#changed();
    const onSent = (share: number): void => {
      upload.sent = share;
      this.#changed();
    };
    try {
      const preview = await this.#send(upload, onSent, abort.signal);
      if (abort.signal.aborted) return;
      if (preview) upload.preview = preview;
      upload.state = upload.dryRun ? "ready" : "sent";
    } catch (error) {
      if (abort.signal.aborted) return;
      upload.state = "failed";
      upload.error = error instanceof ApiError ? error : new ApiError("UPLOAD_FAILED", String(error));
    }
  }

  #drop(upload: Upload): void {
    this.uploads.splice(this.uploads.indexOf(upload), 1);
  }
}

/** XMLHttpRequest, because fetch does not tell how much of a body has been sent. */
export const sendByXhr: Send = (upload, onSent, signal) =>
  new Promise((resolve, reject) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(formFields(upload))) form.append(name, value);
    form.append("csvFile", upload.file);
    const request = new XMLHttpRequest();
    request.open("POST", `api/vulnerabilities/import?sessionId=${upload.sessionId}`);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onSent(event.loaded / event.total);
    };
    request.onload = () => {
      const { status, responseText } = request;
      if (status === 202) return resolve(null);
      const found = upload.dryRun ? previewFromBody(status, responseText) : null;
      if (found) resolve(found);
      else reject(errorFromBody(status, responseText));
    };
    request.onerror = () => reject(new ApiError("NETWORK_ERROR", UPLOAD.brokenOff));
    request.onabort = () => reject(new ApiError("ABORTED", UPLOAD.stopped));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });

/** Everything that goes with a file. */
export function formFields({ fields, choices, dryRun }: Upload): UploadFields {
  const all = { ...fields };
  const { mapping, severityMap, allowOlder } = choices;
  if (Object.keys(mapping).length > 0) all["mapping"] = JSON.stringify(mapping);
  if (Object.keys(severityMap).length > 0) all["severityMap"] = JSON.stringify(severityMap);
  if (allowOlder) all["allowOlder"] = "true";
  if (dryRun) Object.assign(all, { dryRun: "true", wait: "true" });
  return all;
}

/** The outcome in an answer to a request that waited for it; null if it has none. */
export function previewFromBody(status: number, body: string): Preview | null {
  if (status !== 200 && status !== 422) return null;
  try {
    const { summary, error } = JSON.parse(body) as { summary?: ImportSummary; error?: ErrorDetail };
    if (status === 200) return summary ? { summary, error: null } : null;
    return error ? { summary: null, error } : null;
  } catch {
    return null;
  }
}

function isSameFile(one: File, other: File): boolean {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}
