# A shell, a program with pipes, a deadline, a thread and a signal handler in one loop.
import asyncio
import os
import signal


async def main():
    loop = asyncio.get_running_loop()
    p = await asyncio.create_subprocess_shell("echo out; exit 3", stdout=asyncio.subprocess.PIPE)
    print(await p.communicate(), p.returncode)
    q = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    print(await q.communicate(b"through"))
    r = await asyncio.create_subprocess_exec("sleep", "9")
    try:
        await asyncio.wait_for(r.wait(), 0.05)
    except asyncio.TimeoutError:
        r.kill()
        print("killed", await r.wait())
    print(await loop.run_in_executor(None, os.system, "exit 5"))
    got = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    print(await asyncio.gather(*(asyncio.sleep(0.01, i) for i in range(5))))


asyncio.run(main())
