// What the panel shows, and what changes it.

import { Session } from '@jupyterlab/services';
import { ISignal, Signal } from '@lumino/signaling';

import { Listing, Place, Refused, Requests, Secret } from './requests';

/** A kernel of this server that runs, and what uses it. */
export interface Running {
  id: string;
  path: string;
}

/** A kernel that lacks something. */
export interface Lacking {
  kernel: Running;
  /** The secrets of which it has another version, or none. */
  secrets: Secret[];
  /** Whether it was never given any. */
  none: boolean;
}

const FIRST_PAUSE = 5_000;
const LONGEST_PAUSE = 300_000;
/** Exit codes of the program: Vault can't be reached; Vault says to try later. */
const AWAY = [69, 75];

/** Whether waiting may heal it. */
export function isAway(refused: Refused): boolean {
  return (
    refused.by === 'network' ||
    (refused.by === 'program' && AWAY.includes(refused.code))
  );
}

/** The version of `secret` that the kernel was given; undefined where it was given none. */
export function given(
  secret: Secret,
  kernel: Running
): number | null | undefined {
  const holder = secret.kernels.find(
    holder =>
      holder.kernel === `kernel-${kernel.id}` || holder.kernel === kernel.id
  );
  return holder?.version;
}

export class Model {
  constructor(
    readonly requests: Requests,
    private readonly sessions: Session.IManager
  ) {
    sessions.runningChanged.connect(this.onRunning, this);
    this.onRunning();
  }

  listing: Listing | null = null;
  refused: Refused | null = null;
  loading = false;
  running: Running[] = [];
  /** Whether the panel is seen; nothing is asked for while it is not. */
  private shown = false;
  private pause = FIRST_PAUSE;
  private timer = 0;
  private latest = 0;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Says that the panel came into view, or left it. */
  show(shown: boolean): void {
    this.shown = shown;
    if (shown) {
      void this.refresh();
    } else {
      window.clearTimeout(this.timer);
    }
  }

  /** Asks for the list again. */
  async refresh(): Promise<void> {
    window.clearTimeout(this.timer);
    const turn = ++this.latest;
    this.loading = true;
    this._changed.emit();
    let listing = this.listing;
    let refused: Refused | null = null;
    try {
      listing = await this.requests.list();
      this.pause = FIRST_PAUSE;
    } catch (cause) {
      refused = asRefused(cause);
    }
    if (turn !== this.latest) {
      return;
    }
    this.loading = false;
    this.listing = listing;
    this.refused = refused;
    if (refused && isAway(refused) && this.shown) {
      this.timer = window.setTimeout(() => void this.refresh(), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    }
    this._changed.emit();
  }

  /** Sends an order, then asks for the list. */
  async order(order: string, content: object): Promise<unknown> {
    const said = await this.requests.order(order, content);
    await this.refresh();
    return said;
  }

  /** Whether `secret` is no longer as it was shown; asks for the list. */
  async hasChanged(secret: Secret): Promise<boolean> {
    await this.refresh();
    const now = this.find(secret);
    return !now || now.time !== secret.time || now.by !== secret.by;
  }

  /** The secret of that name and place as it is now. */
  find(secret: Pick<Secret, 'name' | 'place'>): Secret | undefined {
    return this.listing?.secrets.find(
      other => other.name === secret.name && other.place === secret.place
    );
  }

  /** The place of new secrets. */
  get place(): Place | undefined {
    const places = this.listing?.places ?? [];
    return places.find(place => place.default) ?? places[0];
  }

  /** The kernels that lack something, with what they lack. */
  get lacking(): Lacking[] {
    const secrets = this.listing?.secrets ?? [];
    return this.running
      .map(kernel => {
        const lacked = secrets.filter(
          secret => given(secret, kernel) !== secret.version
        );
        const none = secrets.every(
          secret => given(secret, kernel) === undefined
        );
        return { kernel, secrets: lacked, none };
      })
      .filter(lacking => lacking.secrets.length > 0);
  }

  private onRunning(): void {
    const running = Array.from(this.sessions.running())
      .filter(session => session.kernel)
      .map(session => ({ id: session.kernel?.id ?? '', path: session.path }));
    if (JSON.stringify(running) === JSON.stringify(this.running)) {
      return;
    }
    this.running = running;
    if (this.shown) {
      void this.refresh();
    }
  }

  private _changed = new Signal<this, void>(this);
}

/** Any failure as a refusal. */
export function asRefused(cause: unknown): Refused {
  return cause instanceof Refused
    ? cause
    : new Refused('server', 0, String(cause), '');
}
