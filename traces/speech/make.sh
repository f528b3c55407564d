#!/bin/sh
# Speaks the sentences into the folder that this file is in: needs espeak-ng and sox.
set -e
cd "$(dirname "$0")"

speak() { # file, voice, words a minute, sentence
    espeak-ng -v "$2" -s "$3" -w "$1.wav" "$4"
    # Undithered, so that the same comes of it each time.
    sox -D "$1.wav" -r 16000 -c 1 -b 8 -e mu-law -t raw "$1.ul" norm -3
    rm "$1.wav"
}

# What voices are found in noise with, by the tests of qlens-sense.
speak en-1 en-us 165 "What time does the last train leave for the harbour?"
speak en-2 en-gb+f3 175 "Please show me the notes from this morning, and read the second one."
speak zh-1 cmn 200 "请问去火车站怎么走，大概要多久？"
speak zh-2 cmn+f2 215 "把刚才的会议记录总结成三句话，发给我。"

# What is said in the scenes.
speak demo en-us 165 "Give me a packing list for a weekend in the mountains."
speak bread en-us 165 "Why does bread rise in the oven, and why does it turn brown?"
speak chinese cmn 200 "面包为什么会在烤箱里变大"
speak note-1 en-gb+f3 170 "The meeting is on Friday at ten."
speak note-2 en-gb+f3 170 "Anna brings the drawings of the new bridge."
