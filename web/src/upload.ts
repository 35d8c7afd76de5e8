import { ApiError, errorFromBody } from "./api";
import { randomUuid } from "./uuid";

export type UploadState = "ready" | "waiting" | "sending" | "sent" | "failed" | "stopped";

export interface Upload {
  readonly file: File;
  /** Chosen here, so that the session of this upload is known before the server answers; each try has its own. */
  sessionId: string;
  vendor: string;
  state: UploadState;
  /** Share of the file that has left the browser, 0 to 1. */
  sent: number;
  error: ApiError | null;
}

/** Sends one file; `onSent` hears the share that has left. */
export type Send = (upload: Upload, onSent: (share: number) => void, signal: AbortSignal) => Promise<void>;

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
      this.uploads.push({ file, sessionId: randomUuid(), vendor: "", state: "ready", sent: 0, error: null });
    }
    this.#changed();
    return doubles;
  }

  /** Sends all ready files under this vendor name (empty: detected by the server). */
  start(vendor: string): void {
    for (const upload of this.ready) {
      upload.vendor = vendor;
      upload.state = "waiting";
    }
    this.#changed();
    if (!this.#abort) void this.#run();
  }

  /** Sends a file that failed once more, under a session of its own. */
  retry(upload: Upload): void {
    if (upload.state !== "failed") return;
    Object.assign(upload, { state: "waiting", sent: 0, error: null, sessionId: randomUuid() });
    this.#changed();
    if (!this.#abort) void this.#run();
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
    if (upload?.state !== "sending" || upload.sent === 1) return;
    upload.state = "stopped";
    this.#abort?.abort();
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
      await this.#send(upload, onSent, abort.signal);
      upload.state = "sent";
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
    if (upload.vendor) form.append("vendor", upload.vendor);
    form.append("csvFile", upload.file);
    const request = new XMLHttpRequest();
    request.open("POST", `/api/vulnerabilities/import?sessionId=${upload.sessionId}`);
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onSent(event.loaded / event.total);
    };
    request.onload = () =>
      request.status === 202 ? resolve() : reject(errorFromBody(request.status, request.responseText));
    request.onerror = () => reject(new ApiError("NETWORK_ERROR", BROKEN_OFF));
    request.onabort = () => reject(new ApiError("ABORTED", "the upload was stopped"));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });

const BROKEN_OFF =
  "The connection ended before the file was sent in full. The server may be down, the file may be larger than it accepts, or the file may have changed or moved since you chose it.";

function isSameFile(one: File, other: File): boolean {
  return one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;
}
