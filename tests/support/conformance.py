"""The tests of jupyter_kernel_test that apply to a kernel whose cells always fail."""

import unittest

import jupyter_kernel_test
from jupyter_kernel_test.msgspec_v5 import validate_message


class StandIn(jupyter_kernel_test.KernelTests):
    kernel_name = "vaulted"
    language_name = "python"
    file_extension = ".py"
    completion_samples = [{"text": "zi", "matches": set()}, {"text": ""}]
    complete_code_samples = ["1", "for x in y:", ""]
    code_generate_error = "1"

    def test_error(self):
        """The original test allows no output except the error."""
        for options in ({}, {"stop_on_error": False}, {"store_history": False}):
            self.flush_channels()
            reply, output = self.execute_helper("1", **options)
            self.assertEqual(reply["content"]["status"], "error")
            self.assertEqual([message["msg_type"] for message in output], ["display_data", "error"])
            self.assertEqual(reply["content"]["ename"], output[1]["content"]["ename"])

    def test_silent(self):
        self.flush_channels()
        reply, output = self.execute_helper("1", silent=True)
        self.assertEqual((reply["content"]["status"], output), ("error", []))

    def ask(self, kind, content, channel="shell"):
        self.flush_channels()
        message = self.kc.session.msg(f"{kind}_request", content)
        getattr(self.kc, f"{channel}_channel").send(message)
        get = self.kc.get_shell_msg if channel == "shell" else self.kc.get_control_msg
        reply = get(timeout=jupyter_kernel_test.TIMEOUT)
        validate_message(reply, f"{kind}_reply", message["header"]["msg_id"])
        return reply["content"]

    def test_the_rest(self):
        for access in ("tail", "range", "search"):
            asked = {"hist_access_type": access, "output": False, "raw": True, "n": 3, "pattern": "*"}
            self.assertEqual(self.ask("history", asked)["history"], [])
        self.assertFalse(self.ask("inspect", {"code": "x", "cursor_pos": 1, "detail_level": 0})["found"])
        self.assertEqual(self.ask("comm_info", {})["comms"], {})
        self.ask("kernel_info", {}, channel="control")
        self.ask("interrupt", {}, channel="control")


unittest.main(verbosity=2)
