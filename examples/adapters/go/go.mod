module endianproof.example/safetensors

go 1.19
