// Shows who is logged in to Vault and until when, with a form to log in.
//
// A password is only in its field. It is sent once, and the field is cleared before the answer arrives.

import { TranslationBundle } from '@jupyterlab/translation';
import React, { useRef, useState } from 'react';

import { Copy } from './copy';
import { Model, asRefused } from './model';
import { Button, Dialog, Failure } from './parts';
import { LoginStatus } from './requests';
import { explain } from './words';

const SIGN_IN = 'jupyter-vault login --method oidc --no-browser';

/** States of a login that a new token can fix or extend. */
const BY_TOKEN = ['token', 'none', 'ended'];

interface LoginProps {
  model: Model;
  trans: TranslationBundle;
  language: string;
  said: (sentence: string) => void;
}

/** Whether a login in the panel helps; it does not if the credential comes from a file or an agent. */
export function canLogIn(login: LoginStatus | null): boolean {
  return login !== null && BY_TOKEN.includes(login.state);
}

/** The message after a login; the name is empty if Vault does not know the user. */
export function loggedIn(who: string, trans: TranslationBundle): string {
  return who
    ? trans.__('Logged in as %1.', who)
    : trans.__('Logged in with a token.');
}

/** A line with the user, the address and the expiry, and a button to log in again if it expires soon. */
export function LoginLine(props: LoginProps): JSX.Element | null {
  const { model, trans, language, said } = props;
  const [open, setOpen] = useState(false);
  const { login } = model;
  if (!login?.logged_in) {
    return null;
  }
  const until = login.until
    ? trans.__('until %1', moment(login.until, language))
    : '';
  const host = login.address.replace(/^https?:\/\//, '');
  const line = [login.user ?? trans.__('a token'), host, until];
  return (
    <div className="jp-VaultSection-part jp-VaultSection-login">
      <div
        className="jp-VaultSection-note"
        title={(login.policies ?? []).join(', ')}
      >
        {line.filter(part => part).join(' · ')}
      </div>
      {login.ends_soon && canLogIn(login) && !open && (
        <div className="jp-VaultSection-wrong">
          {trans.__(
            'This login is valid %1. Kernels that start later get no secrets.',
            until
          )}
          <div className="jp-VaultSection-buttons">
            <Button
              label={trans.__('Log in again')}
              onClick={() => setOpen(true)}
            />
          </div>
        </div>
      )}
      {open && (
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

/** A time, with its day unless that is today. */
function moment(time: string, language: string): string {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday
    ? date.toLocaleTimeString(language, { timeStyle: 'short' })
    : date.toLocaleString(language, {
        dateStyle: 'medium',
        timeStyle: 'short'
      });
}

interface LoginFormProps {
  model: Model;
  trans: TranslationBundle;
  /** Called when the form is closed, with the user's name after a login. */
  done: (who?: string) => void;
}

/** The form for a login. */
export function LoginForm(props: LoginFormProps): JSX.Element {
  const { model, trans, done } = props;
  const madeBy = /^auth\/(?:.+\/)?(userpass|ldap|oidc)\//.exec(
    model.login?.made_by ?? ''
  )?.[1];
  const [method, setMethod] = useState(madeBy ?? 'userpass');
  const [busy, setBusy] = useState(false);
  const [anyway, setAnyway] = useState(false);
  const [wrong, setWrong] = useState<Failure | null>(null);
  const name = useRef<HTMLInputElement>(null);
  const secret = useRef<HTMLInputElement>(null);
  const isToken = method === 'token';
  // The redirect goes to the machine that the program runs on, which may not be the browser's.
  const isElsewhere = method === 'oidc';
  const isWarned = wrong?.[1].includes('--try-again');

  const send = async () => {
    const username = name.current?.value.trim() ?? '';
    const password = secret.current?.value ?? '';
    if (secret.current) {
      secret.current.value = '';
    }
    if (!password || (!isToken && !username)) {
      setWrong([
        isToken
          ? trans.__('Enter a token.')
          : trans.__('Enter a name and a password.'),
        ''
      ]);
      return;
    }
    setBusy(true);
    setWrong(null);
    try {
      const content = { method, username, password, try_again: anyway };
      const answer = (await model.act('login', content)) as LoginStatus;
      done(answer.user ?? '');
    } catch (cause) {
      setWrong(explain(asRefused(cause), trans));
      secret.current?.focus();
    } finally {
      setBusy(false);
      setAnyway(false);
    }
  };

  return (
    <Dialog
      trans={trans}
      label={trans.__('Log in to Vault')}
      accept={isElsewhere ? undefined : trans.__('Log in')}
      disabled={busy}
      failure={wrong}
      submit={send}
      cancel={() => done()}
      beside={
        isElsewhere && (
          <Copy
            label={trans.__('Copy the command')}
            text={SIGN_IN}
            host={model.host}
          />
        )
      }
    >
      <label>
        {trans.__('Method')}
        <select
          value={method}
          onChange={event => setMethod(event.target.value)}
        >
          <option value="userpass">{trans.__('name and password')}</option>
          <option value="ldap">LDAP</option>
          <option value="token">{trans.__('a token')}</option>
          <option value="oidc">{trans.__('single sign-on (OIDC)')}</option>
        </select>
      </label>
      {isElsewhere && (
        <>
          {trans.__(
            'Run this command in a terminal on this server. It shows where to sign in. Then press Refresh.'
          )}
          <pre className="jp-VaultSection-code">{SIGN_IN}</pre>
        </>
      )}
      {!isToken && !isElsewhere && (
        <label>
          {trans.__('User')}
          <input
            ref={name}
            type="text"
            defaultValue={model.login?.user ?? ''}
            spellCheck={false}
            autoCapitalize="off"
          />
        </label>
      )}
      {!isElsewhere && (
        <label>
          {isToken ? trans.__('Token') : trans.__('Password')}
          <input ref={secret} type="password" autoComplete="off" />
        </label>
      )}
      {isWarned && (
        <label className="jp-VaultSection-beside">
          <input
            type="checkbox"
            checked={anyway}
            onChange={event => setAnyway(event.target.checked)}
          />
          {trans.__(
            'Try anyway, although one more refusal may lock the account'
          )}
        </label>
      )}
    </Dialog>
  );
}
