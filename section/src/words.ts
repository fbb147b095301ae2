// Sentences that more than one part says.

import { TranslationBundle } from '@jupyterlab/translation';

import { Refused } from './requests';

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
  if (refused.by === 'network') {
    return [trans.__('The Jupyter server does not answer.'), ''];
  }
  if (refused.by === 'server') {
    const over = [401, 403].includes(refused.code);
    return over
      ? [
          trans.__('Your session at the Jupyter server is over.'),
          trans.__('Reload this page and log in again.')
        ]
      : [
          trans.__('The Jupyter server refused this (%1).', refused.code),
          refused.message
        ];
  }
  if (refused.code === 78) {
    return [
      trans.__(
        'Vault is not set up for this server, or its vault.toml has a mistake.'
      ),
      `${refused.message}. ${refused.advice}`
    ];
  }
  return [refused.message, refused.advice];
}

/** The file's name at the end of a path. */
export function baseName(path: string): string {
  return path.split('/').pop() || path;
}
