import { endInWords, titleOf } from "./card";
import { byId } from "./dom";
import { formatCount, isolate } from "./format";
import type { SessionView } from "../client/src/session-view.js";
import { NOTICES } from "./texts";

const KEY = "pulsewheel.notices";
/** Ends of so short a time are told together. */
const GATHER_MS = 1_000;
/** Pitches in hertz, one after the other: upwards for a success, downwards for a failure. */
const TONES = { good: [523, 784], bad: [392, 262] };
const TONE_S = 0.16;
const LOUDNESS = 0.12;

type Choice = "off" | "notify" | "sound";
const CHOICES: readonly string[] = ["off", "notify", "sound"];

interface NoticeHooks {
  /** A session whose end was told has been asked for. */
  open: (sessionId: string) => void;
  /** `text` says why there can be no notifications. */
  complain: (text: string) => void;
}

/** Tells the ends of sessions to a reader who looks elsewhere: as notifications, and with a sound if wanted. */
export class EndNotices {
  readonly #hooks: NoticeHooks;
  readonly #field = byId<HTMLSelectElement>("notices");
  #ended: SessionView[] = [];
  #audio: AudioContext | null = null;

  constructor(hooks: NoticeHooks) {
    this.#hooks = hooks;
    this.#field.value = stored();
    // Permission may have been taken back since.
    if (this.#choice !== "off" && !isAllowed()) this.#field.value = "off";
    this.#field.addEventListener("change", () => void this.#choose());
    // Browsers play nothing before the page was touched.
    if (this.#choice === "sound") {
      for (const event of ["pointerdown", "keydown"]) window.addEventListener(event, () => this.#prepareSound(), { once: true });
    }
  }

  get #choice(): Choice {
    return this.#field.value as Choice;
  }

  /** A session ended while this page knew of it. */
  ended(view: SessionView): void {
    if (this.#choice === "off") return;
    if (this.#ended.length === 0) setTimeout(() => this.#tell(), GATHER_MS);
    this.#ended.push(view);
  }

  async #choose(): Promise<void> {
    if (this.#choice === "sound") this.#prepareSound();
    if (this.#choice !== "off" && !isAllowed() && !(await ask())) {
      this.#field.value = "off";
      this.#hooks.complain(NOTICES.refused);
    }
    try {
      localStorage.setItem(KEY, this.#choice);
    } catch {
      // It holds for this page then.
    }
  }

  #tell(): void {
    const ended = this.#ended;
    this.#ended = [];
    if (this.#choice === "sound") this.#play(ended.some(({ status }) => status !== "completed") ? TONES.bad : TONES.good);
    // Whoever looks at the page sees it there.
    if (this.#choice !== "off" && (document.hidden || !document.hasFocus())) this.#notify(ended);
  }

  #notify(ended: SessionView[]): void {
    const [first] = ended as [SessionView, ...SessionView[]];
    const single = ended.length === 1;
    const title = single ? isolate(titleOf(first)) : NOTICES.ended(ended.length);
    try {
      const notification = new Notification(title, { body: single ? sentenceOf(first) : countsOf(ended), icon: "favicon.svg" });
      notification.onclick = () => {
        window.focus();
        if (single) this.#hooks.open(first.sessionId);
        notification.close();
      };
    } catch {
      // Some phones offer the interface and refuse it to pages.
    }
  }

  #prepareSound(): void {
    try {
      this.#audio ??= new AudioContext();
      void this.#audio.resume();
    } catch {
      // There are devices that cannot play anything.
    }
  }

  #play(pitches: readonly number[]): void {
    const audio = this.#audio;
    if (audio?.state !== "running") return;
    pitches.forEach((pitch, index) => {
      const at = audio.currentTime + index * TONE_S;
      const tone = new OscillatorNode(audio, { frequency: pitch });
      const volume = new GainNode(audio, { gain: LOUDNESS });
      volume.gain.setTargetAtTime(0, at + TONE_S / 2, TONE_S / 5);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + TONE_S * 2);
    });
  }
}

function sentenceOf(view: SessionView): string {
  const words = endInWords(view);
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function countsOf(ended: readonly SessionView[]): string {
  const parts = Object.entries(NOTICES.counts).map(([status, word]) => {
    const count = ended.filter((view) => view.status === status).length;
    return count > 0 ? `${formatCount(count)} ${word}` : "";
  });
  return parts.filter(Boolean).join(", ");
}

function isAllowed(): boolean {
  return typeof Notification !== "undefined" && Notification.permission === "granted";
}

async function ask(): Promise<boolean> {
  if (typeof Notification === "undefined") return false;
  return (await Notification.requestPermission()) === "granted";
}

function stored(): Choice {
  try {
    const choice = localStorage.getItem(KEY) ?? "off";
    return CHOICES.includes(choice) ? (choice as Choice) : "off";
  } catch {
    return "off";
  }
}
