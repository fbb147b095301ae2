// What is shown instead of the list, or above it if it may be out of date.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useEffect, useState } from 'react';

import { Copy } from './copy';
import { Host } from './host';
import { LoginForm, canLogIn, loggedIn } from './login';
import { Model } from './model';
import { Button, Failed } from './parts';
import { Place, Refused } from './requests';
import { explain, policyLine, standing } from './words';

const SETUP = 'jupyter-vault setup';

/** Three grey rows, shown if loading takes noticeably long. */
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

interface ReadOnlyProps {
  place: Place;
  host: Host;
}

/** A note that the user may not change a place, with the policy line that would allow it. */
export function ReadOnly({ place, host }: ReadOnlyProps): JSX.Element {
  const { trans } = host;
  return (
    <div className="jp-VaultSection-part jp-VaultSection-note">
      {trans.__('You can read these secrets but not change them.')}
      <pre className="jp-VaultSection-code">{place.policy}</pre>
      <Copy
        label={trans.__('Copy the missing policy line')}
        text={place.policy ?? ''}
        host={host}
      />
    </div>
  );
}

interface UnreadableProps {
  error: { what: string; advice: string };
  host: Host;
}

/** Says why a place's secrets can't be listed, with the policy line that would allow it if there is one. */
export function Unreadable({ error, host }: UnreadableProps): JSX.Element {
  const line = policyLine(error.advice);
  return (
    <div className="jp-VaultSection-part">
      <Failed failure={[error.what, error.advice]} />
      {line && (
        <Copy
          label={host.trans.__('Copy the policy line to ask for')}
          text={line}
          host={host}
        />
      )}
    </div>
  );
}

interface RefusalProps {
  refused: Refused;
  model: Model;
  trans: TranslationBundle;
  language: string;
  said: (sentence: string) => void;
}

/** A refusal, its advice, and one button. */
export function Refusal(props: RefusalProps): JSX.Element {
  const { refused, model, trans, language, said } = props;
  const [open, setOpen] = useState(false);
  const [what, advice] = explain(refused, trans);
  const state = standing(refused);
  const line = policyLine(advice);
  const since = model.awaySince?.toLocaleTimeString(language, {
    timeStyle: 'short'
  });
  return (
    <div className="jp-VaultSection-part" role="alert">
      <div className="jp-VaultSection-wrong">
        {state === 'away' && since && refused.by === 'program' && (
          <div>{trans.__('Vault has not answered since %1.', since)}</div>
        )}
        <div>{what}</div>
        <div>{advice}</div>
        {state === 'unconfigured' && (
          <pre className="jp-VaultSection-code">{SETUP}</pre>
        )}
        {state === 'away' && (
          <div>{trans.__('Running kernels keep their secrets.')}</div>
        )}
      </div>
      <div className="jp-VaultSection-buttons">
        {state === 'session' ? (
          model.host.reload && (
            <Button
              label={trans.__('Reload')}
              onClick={() => model.host.reload?.()}
            />
          )
        ) : (
          <Button
            label={trans.__('Try again')}
            onClick={() => void model.refresh()}
          />
        )}
        {state === 'login' && canLogIn(model.login) && !open && (
          <Button label={trans.__('Log in')} onClick={() => setOpen(true)} />
        )}
        {state === 'unconfigured' && (
          <Copy
            label={trans.__('Copy the command')}
            text={SETUP}
            host={model.host}
          />
        )}
        {state === 'other' && line && (
          <Copy
            label={trans.__('Copy the missing policy line')}
            text={line}
            host={model.host}
          />
        )}
        {state === 'other' && !line && refused.by === 'program' && (
          <Copy
            label={trans.__('Copy this advice')}
            text={`${what}\n${advice}`}
            host={model.host}
          />
        )}
      </div>
      {open && state === 'login' && (
        <LoginForm
          model={model}
          trans={trans}
          done={who => {
            setOpen(false);
            if (who !== undefined) {
              said(loggedIn(who, trans));
            }
          }}
        />
      )}
    </div>
  );
}
