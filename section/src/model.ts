// The panel's state, and the actions that change it.

import { ISignal, Signal } from '@lumino/signaling';

import { Host, Running } from './host';
import {
  DataSource,
  Listing,
  LoginStatus,
  Place,
  Refused,
  Requests,
  Secret
} from './requests';
import { standing } from './words';

/** A kernel that lacks secrets. */
export interface Lacking {
  kernel: Running;
  /** The secrets that it has in an old version, or not at all. */
  secrets: Secret[];
  /** Whether it was never given secrets. */
  none: boolean;
}

const FIRST_PAUSE = 5_000;
const LONGEST_PAUSE = 300_000;

/** The version of `secret` that the kernel was given; undefined if it was not given one. */
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
  constructor(readonly host: Host) {
    this.requests = new Requests(host);
    host.runningChanged?.connect(this.onRunning, this);
    this.running = host.running?.() ?? [];
  }

  readonly requests: Requests;

  listing: Listing | null = null;
  refused: Refused | null = null;
  loading = false;
  /** Since when Vault has not answered. */
  awaySince: Date | null = null;
  running: Running[];
  /** Who is logged in, if known. */
  login: LoginStatus | null = null;
  /** The kernel of the current notebook. */
  current: Running | null = null;
  /** The data sources, if a folder of them is configured. */
  sources: DataSource[] = [];
  sourcesRefused: Refused | null = null;
  /** Whether the panel is visible; while it is not, there are no requests. */
  private shown = false;
  private pause = FIRST_PAUSE;
  private timer = 0;
  private latest = 0;
  private latestSources = 0;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Called when the panel becomes visible or hidden. */
  show(shown: boolean): void {
    this.shown = shown;
    if (shown) {
      void this.refresh();
    } else {
      window.clearTimeout(this.timer);
    }
  }

  /** Requests the list again. */
  async refresh(): Promise<void> {
    window.clearTimeout(this.timer);
    const turn = ++this.latest;
    this.loading = true;
    this._changed.emit();
    void this.lookAtLogin(turn);
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
    this.running = this.host.running?.() ?? listing?.running ?? [];
    this.refused = refused;
    void this.lookAtSources();
    const away = refused && standing(refused) === 'away';
    this.awaySince = away ? (this.awaySince ?? new Date()) : null;
    if (away && this.shown) {
      this.timer = window.setTimeout(() => void this.refresh(), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    }
    this._changed.emit();
  }

  /** Sets the current notebook. */
  setCurrent(current: Running | null): void {
    if (
      current?.id !== this.current?.id ||
      current?.path !== this.current?.path
    ) {
      this.current = current;
      this._changed.emit();
    }
  }

  /** Sends an action, then requests the list. */
  async act(action: string, content: object): Promise<unknown> {
    const said = await this.requests.act(action, content);
    await this.refresh();
    return said;
  }

  /** The present secret with that name and place. */
  find(secret: Pick<Secret, 'name' | 'place'>): Secret | undefined {
    return this.listing?.secrets.find(
      other => other.name === secret.name && other.place === secret.place
    );
  }

  /** The places that the policy allows writing to, the user's own first. */
  get writable(): Place[] {
    const places = (this.listing?.places ?? []).filter(place => place.writable);
    return [
      ...places.filter(place => place.default),
      ...places.filter(place => !place.default)
    ];
  }

  /** The place for new secrets. */
  get place(): Place | undefined {
    return this.writable[0];
  }

  /** The place with that path. */
  placeOf(source: string): Place | undefined {
    return this.listing?.places.find(place => place.source === source);
  }

  /** Whether `name` is withheld from the notebook at `path`. */
  isOff(name: string, path: string): boolean {
    const whole = `${this.listing?.root ?? ''}/${path}`.replace(/\/+/g, '/');
    return (this.listing?.notebooks ?? []).some(
      rule =>
        rule.without.includes(name) &&
        (rule.notebook === whole ||
          (!rule.notebook.startsWith('/') &&
            whole.endsWith(`/${rule.notebook}`)))
    );
  }

  /** The secrets that the kernel has although they are withheld from its notebook. */
  surplus(kernel: Running): Secret[] {
    return (this.listing?.secrets ?? []).filter(
      secret =>
        this.isOff(secret.name, kernel.path) &&
        given(secret, kernel) !== undefined
    );
  }

  /** The kernels that lack secrets, with the secrets that they lack. */
  get lacking(): Lacking[] {
    const secrets = this.listing?.secrets ?? [];
    return this.running
      .map(kernel => {
        const lacked = secrets.filter(
          secret =>
            given(secret, kernel) !== secret.version &&
            !this.isOff(secret.name, kernel.path)
        );
        const none = secrets.every(
          secret => given(secret, kernel) === undefined
        );
        return { kernel, secrets: lacked, none };
      })
      .filter(lacking => lacking.secrets.length > 0);
  }

  /** Requests who is logged in; nothing waits for the answer. */
  private async lookAtLogin(turn: number): Promise<void> {
    // If that fails, the list shows why.
    const login = await this.requests.login().catch(() => null);
    if (turn === this.latest) {
      this.login = login;
      this._changed.emit();
    }
  }

  /** Requests the data sources, if there can be any; the list of secrets does not wait for them. */
  private async lookAtSources(): Promise<void> {
    const has = this.listing?.fixed.some(({ what }) => what === 'data sources');
    if (this.refused || !has) {
      this.sources = [];
      this.sourcesRefused = null;
      return;
    }
    const turn = ++this.latestSources;
    let refused: Refused | null = null;
    let sources = this.sources;
    try {
      sources = await this.requests.sources();
    } catch (cause) {
      refused = asRefused(cause);
    }
    if (turn === this.latestSources) {
      this.sources = sources;
      this.sourcesRefused = refused;
      this._changed.emit();
    }
  }

  private onRunning(): void {
    const running = this.host.running?.() ?? [];
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

/** Converts any failure to a refusal. */
export function asRefused(cause: unknown): Refused {
  return cause instanceof Refused
    ? cause
    : new Refused('server', 0, String(cause), '');
}
