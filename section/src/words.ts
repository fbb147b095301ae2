// Sentences that more than one part says.

import { TranslationBundle } from '@jupyterlab/translation';

import { Refused, isOver } from './requests';

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60]
];

/** How long ago `time` was, in the reader's language. */
export function age(time: string | null, language: string): string {
  const seconds = time ? (Date.now() - Date.parse(time)) / 1000 : NaN;
  if (Number.isNaN(seconds)) {
    return '';
  }
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const unit = UNITS.find(([, length]) => seconds >= length);
  return unit
    ? format.format(-Math.floor(seconds / unit[1]), unit[0])
    : format.format(0, 'minute');
}

/** What is wrong, and what to do. */
export function explain(
  refused: Refused,
  trans: TranslationBundle
): [string, string] {
  if (refused.by === 'server' && !isOver(refused.code)) {
    return [
      trans.__('The server refused this (%1).', refused.code),
      refused.message
    ];
  }
  if (standing(refused) === 'unconfigured') {
    return [
      trans.__('No Vault is set up for this server.'),
      trans.__(
        'Run this in a terminal. It asks for Vault’s address, your login, and where your secrets are:'
      )
    ];
  }
  return [refused.message, refused.advice];
}

/** The file's name at the end of a path. */
export function baseName(path: string): string {
  return path.split('/').pop() || path;
}

/** What a refusal means for the whole panel. */
export type Standing = 'away' | 'session' | 'unconfigured' | 'login' | 'other';

/** Exit codes of the program: Vault can't be reached; Vault says to try later. */
const AWAY = [69, 75];
const DENIED = 77;
const CONFIGURATION = 78;

/** Tells refusals apart by the program's exit code, and where that is not enough by how its first line begins. */
export function standing(refused: Refused): Standing {
  const { by, code, message } = refused;
  if (by === 'network' || (by === 'program' && AWAY.includes(code))) {
    return 'away';
  }
  if (by === 'server') {
    return isOver(code) ? 'session' : 'other';
  }
  if (code === CONFIGURATION && /^no (address|source) of /.test(message)) {
    return 'unconfigured';
  }
  const noCredential = /^there is no credential to log in/;
  const refusedLogin =
    /does not accept the token|^the token from .* ended|refused the login/;
  if (
    noCredential.test(message) ||
    (code === DENIED && refusedLogin.test(message))
  ) {
    return 'login';
  }
  return 'other';
}

/** The policy line that an advice asks for, if there is one. */
export function policyLine(advice: string): string | undefined {
  return /path ".+" \{ capabilities = \[[^\]]*\] \}/.exec(advice)?.[0];
}

/** A name as it stands in Vault: a character that only turns its neighbours round would show another name. */
export function visible(name: string): string {
  return name.replace(
    /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    turns => `\\u${turns.charCodeAt(0).toString(16).padStart(4, '0')}`
  );
}
