from getpass import getpass as ask
def tell(failed):
    if failed:
        ask(failed)
