# PowerShell completion for PROGRAM
#
# Asks `PROGRAM __complete` for the candidates. Its last line, `:N`, says what to do with them:
# 1 nothing, 2 no space after them, 4 no files, 8 files that end so, 16 directories.

Register-ArgumentCompleter -Native -CommandName 'PROGRAM' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $elements = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition })
    $program = $elements[0].Extent.Text
    $words = @($elements | Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
    if (-not $wordToComplete) {
        # Windows PowerShell drops empty arguments that are not quoted twice.
        $words += if ($PSVersionTable.PSVersion -lt [version]'7.3') { '""' } else { '' }
    }

    $lines = @(& $program __complete @words 2>$null)
    if ($lines.Count -eq 0 -or $lines[-1] -notmatch '^:(\d+)$') {
        return
    }
    $directive = [int]$Matches[1]
    if ($directive -band 1) {
        return
    }
    $candidates = @($lines | Select-Object -SkipLast 1)

    # Of `--flag=value`, only the value is being written, but PowerShell replaces the whole word.
    $prefix = ''
    $current = $wordToComplete
    if ($wordToComplete -match '^(-[^=]*=)(.*)$') {
        $prefix = $Matches[1]
        $current = $Matches[2]
    }

    if ($directive -band 24) {
        Get-ChildItem -Path "$current*" -ErrorAction SilentlyContinue |
            Where-Object {
                $_.PSIsContainer -or (($directive -band 8) -and ($candidates -contains $_.Extension.TrimStart('.')))
            } |
            ForEach-Object { [System.Management.Automation.CompletionResult]::new("$prefix$($_.Name)") }
        return
    }

    $space = if ($directive -band 2) { '' } else { ' ' }
    $candidates | ForEach-Object {
        $value, $text = $_ -split "`t", 2
        if ($value -like "$current*") {
            if (-not $text) { $text = $value }
            [System.Management.Automation.CompletionResult]::new("$prefix$value$space", $value, 'ParameterValue', $text)
        }
    }
}
