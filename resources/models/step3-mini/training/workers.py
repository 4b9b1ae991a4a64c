"""Worker processes that draw training batches. Batch number s depends on the seed and s alone, so a run may be
interrupted and has the same data with any number of workers. Large arrays travel through shared memory.
"""

import mmap
import multiprocessing
import os
import random
import traceback

import numpy as np

import canvas

FORK = multiprocessing.get_context("fork")  # fonts and artwork are loaded once, before the processes split


class Workers:
    """count processes; make(random, step) -> (dict of arrays, anything small). Start before CUDA is used."""

    def __init__(self, count, seed, first, make, slot_bytes, depth=3):
        canvas.assets()
        self.count, self.step, self.links = count, first, []
        for i in range(count):
            ours, theirs = FORK.Pipe()
            slots = [mmap.mmap(-1, slot_bytes) for _ in range(depth)]
            p = FORK.Process(target=self.work, args=(ours, theirs, slots, make, seed, i), daemon=True)
            p.start()
            theirs.close()
            self.links.append((ours, slots, p))

    def work(self, ours, link, slots, make, seed, index):
        """Worker: fills its slots in turn; a full ring waits for the trainer to release one."""
        for end in [ours] + [x[0] for x in self.links]:  # else the end of the trainer would go unnoticed
            end.close()
        step = self.step + (index - self.step) % self.count
        os.nice(10)  # the trainer goes first
        free = len(slots)
        try:
            while True:
                while free == 0 or link.poll():
                    link.recv()
                    free += 1
                arrays, small = make(random.Random(f"{seed}/{step}"), step)
                slot = slots[(step // self.count) % len(slots)]
                layout, at = {}, 0
                for name, x in arrays.items():
                    if at + x.nbytes > len(slot):
                        raise MemoryError(f"batch {step} needs more than {len(slot)} bytes")
                    np.frombuffer(slot, x.dtype, x.size, at)[:] = x.ravel()
                    layout[name] = (x.dtype.str, x.shape, at)
                    at += -(-x.nbytes // 64) * 64
                link.send((step, layout, small))
                free -= 1
                step += self.count
        except EOFError:  # the trainer has ended
            pass
        except Exception:
            link.send(traceback.format_exc())

    def next(self, use):
        """use(arrays, small) of the next batch; the arrays are valid only inside."""
        link, slots, _ = self.links[self.step % self.count]
        got = link.recv()
        if isinstance(got, str):
            raise RuntimeError(got)
        step, layout, small = got
        slot = slots[(step // self.count) % len(slots)]
        arrays = {
            name: np.frombuffer(slot, dtype, int(np.prod(shape)), at).reshape(shape)
            for name, (dtype, shape, at) in layout.items()
        }
        out = use(arrays, small)
        link.send(None)
        self.step += 1
        return out

    def stop(self):
        for _, _, p in self.links:
            p.kill()
