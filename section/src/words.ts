// Sentences that several parts use.

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

/** What failed, and what to do. */
export function explain(
  refused: Refused,
  trans: TranslationBundle
): [string, string] {
  if (refused.by === 'server' && !isOver(refused.code)) {
    return [
      trans.__('The server refused the request (%1).', refused.code),
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

/** The file name at the end of a path. */
export function baseName(path: string): string {
  return path.split('/').pop() || path;
}

/** What a refusal means for the panel. */
export type Standing = 'away' | 'session' | 'unconfigured' | 'login' | 'other';

/** Exit codes of the program: Vault is unreachable; Vault asked to retry later. */
const AWAY = [69, 75];
const DENIED = 77;
const CONFIGURATION = 78;

/** Classifies a refusal by the program's exit code and, if that is not enough, by its first line. */
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
  const noCredential = /^there is no credential for a login/;
  const refusedLogin =
    /rejected the token|^the token from .* became invalid|refused the login/;
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

/** A name with its bidirectional control characters escaped, which would otherwise make it look like another name. */
export function visible(name: string): string {
  return name.replace(
    /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    turns => `\\u${turns.charCodeAt(0).toString(16).padStart(4, '0')}`
  );
}
