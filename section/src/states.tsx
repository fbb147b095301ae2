// What stands in place of the list, or above it when it may be old.

import { Clipboard } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useState } from 'react';

import { Model, isAway } from './model';
import { Refused } from './requests';
import { explain } from './words';

/** Three grey rows, once it takes longer than one notices. */
export function Waiting(): JSX.Element | null {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), 300);
    return () => window.clearTimeout(timer);
  }, []);
  if (!late) {
    return null;
  }
  return (
    <ul className="jp-VaultSection-waiting" aria-busy="true">
      <li />
      <li />
      <li />
    </ul>
  );
}

interface RefusalProps {
  refused: Refused;
  model: Model;
  trans: TranslationBundle;
}

/** What was refused, what to do, and one button. */
export function Refusal(props: RefusalProps): JSX.Element {
  const { refused, model, trans } = props;
  const [what, advice] = explain(refused, trans);
  const [copied, setCopied] = useState(false);
  const over = refused.by === 'server' && [401, 403].includes(refused.code);
  const button = (label: string, onClick: () => void) => (
    <button type="button" className="jp-mod-styled" onClick={onClick}>
      {label}
    </button>
  );
  return (
    <div className="jp-VaultSection-part" role="alert">
      <div className="jp-VaultSection-wrong">
        <div>{what}</div>
        <div>{advice}</div>
        {isAway(refused) && (
          <div>{trans.__('Running kernels keep what they have.')}</div>
        )}
      </div>
      <div className="jp-VaultSection-buttons">
        {over
          ? button(trans.__('Reload'), () => window.location.reload())
          : button(trans.__('Try now'), () => void model.refresh())}
        {refused.by === 'program' &&
          !isAway(refused) &&
          button(
            copied ? trans.__('Copied') : trans.__('Copy this advice'),
            () => {
              Clipboard.copyToSystem(`${what}\n${advice}`);
              setCopied(true);
            }
          )}
      </div>
    </div>
  );
}
