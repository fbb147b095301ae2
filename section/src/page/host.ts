// The section's surroundings on the separate page, without JupyterLab.

import { TranslationBundle } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { Host, Notice, Question } from '../host';

/** The two translator functions that the section uses; this page is in English. */
const trans = {
  __: (text: string, ...words: unknown[]) => filled(text, words),
  _n: (one: string, many: string, count: number, ...words: unknown[]) =>
    filled(count === 1 ? one : many, [count, ...words])
} as TranslationBundle;

function filled(text: string, words: unknown[]): string {
  return text.replace(/%(\d)/g, (_, at) => String(words[Number(at) - 1]));
}

const AGAIN =
  'Run `jupyter vault ui` again, and open the address that it prints.';

/** A question, and where its answer goes. */
export interface Asked extends Question {
  answer: (agreed: boolean) => void;
}

export class PageHost implements Host {
  readonly trans = trans;
  readonly language = navigator.language || 'en';
  readonly gone: [string, string] = [
    'The program behind this page has ended.',
    AGAIN
  ];
  readonly over: [string, string] = [
    'This address was already used, or its session has ended.',
    AGAIN
  ];
  /** Emitted when a notice or question appears or disappears. */
  readonly changed = new Signal<this, void>(this);
  notices: Notice[] = [];
  asked: Asked | null = null;

  send(path: string, init: RequestInit): Promise<Response> {
    return fetch(`/api/${path}`, {
      ...init,
      credentials: 'same-origin',
      redirect: 'error'
    });
  }

  /** Exchanges the page's token for a cookie. The second time that is refused, and the cookie must be there. */
  async begin(): Promise<void> {
    const token = window.location.hash.slice(1);
    if (!token) {
      return;
    }
    window.history.replaceState(null, '', '/');
    await this.send('session', {
      method: 'POST',
      body: JSON.stringify({ token }),
      headers: { 'Content-Type': 'application/json' }
    })
      .then(answer => answer.text())
      .catch(() => undefined);
  }

  confirm(question: Question): Promise<boolean> {
    return new Promise(resolve => {
      const answer = (agreed: boolean) => {
        this.asked = null;
        this.changed.emit();
        resolve(agreed);
      };
      this.asked = { ...question, answer };
      this.changed.emit();
    });
  }

  notify(notice: Notice): void {
    this.notices = [...this.notices, notice];
    this.changed.emit();
    if (notice.autoClose) {
      window.setTimeout(() => this.dismiss(notice), notice.autoClose);
    }
  }

  dismiss(notice: Notice): void {
    this.notices = this.notices.filter(other => other !== notice);
    this.changed.emit();
  }

  copy(text: string): void {
    void navigator.clipboard.writeText(text);
  }
}
